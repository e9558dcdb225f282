// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: steps PID ADDRESS CALLS
 *
 * Counts the instructions of a function of a running program, with those that it calls, from its
 * entry to its return; a line for each of CALLS calls.  A string instruction is one, however often
 * it repeats.  Made for the kernel of a guest of User-Mode Linux: its interrupts are signals, and
 * so they are kept back while it is counted.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

/* A call that sleeps never ends here, because nothing wakes it. */
#define MOST 10000000

static pid_t pid;

static long trace(int request, uintptr_t addr, uintptr_t data)
{
	long ret;

	errno = 0;
	ret = ptrace(request, pid, (void *)addr, (void *)data);
	if (errno)
		err(1, "ptrace %#x of %d", request, pid);
	return ret;
}

/* Waits for it to stop; the signal, or 0 for an event. */
static int stopped(void)
{
	int status;

	if (waitpid(pid, &status, __WALL) < 0)
		err(1, "waitpid");
	if (!WIFSTOPPED(status))
		errx(1, "%d has ended", pid);
	return status >> 16 ? 0 : WSTOPSIG(status);
}

static void run_to(uintptr_t addr)
{
	struct user_regs_struct regs;
	long word = trace(PTRACE_PEEKTEXT, addr, 0);
	int sig = 0;

	trace(PTRACE_POKETEXT, addr, (word & ~0xffL) | 0xcc);
	for (;;) {
		trace(PTRACE_CONT, 0, sig);
		sig = stopped();
		if (sig != SIGTRAP)
			continue;
		trace(PTRACE_GETREGS, 0, (uintptr_t)&regs);
		if (regs.rip == addr + 1)
			break;
		sig = 0;
	}
	trace(PTRACE_POKETEXT, addr, word);
	regs.rip = addr;
	trace(PTRACE_SETREGS, 0, (uintptr_t)&regs);
}

static long count(void)
{
	struct user_regs_struct regs;
	uint64_t none = ~((uint64_t)1 << (SIGTRAP - 1)), mask;
	uintptr_t ret, last = 0;
	uint64_t stack;
	long n = 0;

	trace(PTRACE_GETREGS, 0, (uintptr_t)&regs);
	stack = regs.rsp;
	ret = trace(PTRACE_PEEKDATA, stack, 0);
	trace(PTRACE_GETSIGMASK, sizeof(mask), (uintptr_t)&mask);
	trace(PTRACE_SETSIGMASK, sizeof(none), (uintptr_t)&none);
	while (regs.rip != ret || regs.rsp <= stack) {
		n += regs.rip != last;
		last = regs.rip;
		if (n > MOST)
			errx(1, "no return after %d instructions", MOST);
		trace(PTRACE_SINGLESTEP, 0, 0);
		if (stopped() != SIGTRAP)
			errx(1, "a signal, after %ld instructions", n);
		trace(PTRACE_GETREGS, 0, (uintptr_t)&regs);
	}
	trace(PTRACE_SETSIGMASK, sizeof(mask), (uintptr_t)&mask);
	return n;
}

int main(int argc, char **argv)
{
	uintptr_t addr;
	long calls;

	if (argc != 4)
		errx(2, "usage: steps PID ADDRESS CALLS");
	pid = atoi(argv[1]);
	addr = strtoul(argv[2], NULL, 16);
	calls = atol(argv[3]);

	/* It must not run on with a breakpoint that nobody knows. */
	trace(PTRACE_SEIZE, 0, PTRACE_O_EXITKILL);
	trace(PTRACE_INTERRUPT, 0, 0);
	stopped();
	while (calls-- > 0) {
		run_to(addr);
		printf("%ld\n", count());
		fflush(stdout);
	}
	trace(PTRACE_DETACH, 0, 0);
	return 0;
}
