/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A function of the kernel made slow, to widen a window between two processors: a
 * breakpoint of the processor at its beginning with a BPF program that spins.  Not for
 * User-Mode Linux, which has no such breakpoints.
 *
 * Not a kprobe, which changes the code: QEMU's emulation may go on with what it translated
 * from the code before, when another processor translates it just while it is changed, and
 * then stops at a kprobe that is gone ("Oops: int3").
 *
 * The kernel needs PERF_EVENTS, BPF_SYSCALL, and for BPF at breakpoints KPROBE_EVENTS.
 */
#ifndef SLOW_H
#define SLOW_H

#include "wttest.h"

#include <linux/bpf.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdbool.h>

#define SLOW_CPUS 8
/* Of struct pt_regs of x86_64: the stack pointer, there the return address */
#define SLOW_SP 152

/*
 * How many calls there were, and when the last of them; of the first when it was slow, and
 * where it returns to.  By CLOCK_MONOTONIC, in ns.
 */
struct slow_seen {
	uint64_t count, begun, ended, caller, last;
};

struct slow {
	int map, prog, events[SLOW_CPUS];
};

static inline int slow_bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static inline FILE *slow_symbols(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");

	if (!f)
		fail("/proc/kallsyms: %s", strerrorname_np(errno));
	return f;
}

/* The next function in @f; false at the end. */
static inline bool slow_next(FILE *f, uint64_t *addr, char name[256])
{
	char line[512], type;

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %c %255s", addr, &type, name) == 3 &&
		    (type == 't' || type == 'T'))
			return true;
	return false;
}

static inline uint64_t slow_function(const char *function)
{
	FILE *f = slow_symbols();
	char name[256];
	uint64_t addr;

	while (slow_next(f, &addr, name))
		if (!strcmp(name, function)) {
			fclose(f);
			return addr;
		}
	fail("%s: no such function in the kernel", function);
}

/*
 * Where the kernel's functions that have @part in their names are, from the first to the
 * end of the last.
 */
static inline void slow_find(const char *part, uint64_t *from, uint64_t *to)
{
	FILE *f = slow_symbols();
	uint64_t addr, last = 0;
	char name[256];

	*from = UINT64_MAX;
	while (slow_next(f, &addr, name)) {
		if (!strstr(name, part) || strchr(name, '.'))
			continue;
		if (addr < *from)
			*from = addr;
		if (addr > last)
			last = addr;
	}
	if (!last)
		fail("%s: no such function in the kernel", part);
	*to = UINT64_MAX;
	rewind(f);
	while (slow_next(f, &addr, name))
		if (addr > last && addr < *to)
			*to = addr;
	fclose(f);
}

/* For slow_start() and slow_start_at(): at @where, for callers in [from, to) */
static inline void slow_probe(struct slow *slow, uint64_t where, uint64_t from,
			      uint64_t to, uint64_t ns)
{
#define INSN(c, d, s, o, i)                                              \
	{                                                                \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), \
		.imm = (i)                                               \
	}
#define LD64(d, s, v)                                                      \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, s, 0, (uint32_t)(uint64_t)(v)), \
		INSN(0, 0, 0, 0, (uint64_t)(v) >> 32)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
/* may_goto of Linux 6.10: the verifier believes that it comes to an end */
#define MAY_GOTO(o) INSN(BPF_JMP | 0xe0, 0, 0, o, 0)
	static char log[1 << 20];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct perf_event_attr event = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(event),
		.sample_period = 1,
		.pinned = 1,
		.disabled = 1,
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = where,
		.bp_len = sizeof(long),
	};
	union bpf_attr attr;

	if (cpus > SLOW_CPUS)
		fail("more than %d processors", SLOW_CPUS);
	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(struct slow_seen);
	attr.max_entries = 1;
	slow->map = must(slow_bpf(BPF_MAP_CREATE, &attr));

	const struct bpf_insn insns[] = {
		/* r7: the return address */
		INSN(BPF_LDX | BPF_MEM | BPF_DW, 3, 1, SLOW_SP, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -8),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 8),
		CALL(BPF_FUNC_probe_read_kernel),
		INSN(BPF_LDX | BPF_MEM | BPF_DW, 7, 10, -8, 0),
		LD64(1, 0, from),
		INSN(BPF_JMP | BPF_JLT | BPF_X, 7, 1, 29, 0),
		LD64(1, 0, to),
		INSN(BPF_JMP | BPF_JGE | BPF_X, 7, 1, 26, 0),
		/* r6: what was seen */
		INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -16, 0),
		LD64(1, BPF_PSEUDO_MAP_FD, slow->map),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -16),
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 19, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 0, 0, 0),
		CALL(BPF_FUNC_ktime_get_ns),
		INSN(BPF_STX | BPF_MEM | BPF_DW, 6, 0, 32, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_DW, 1, 6, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 1, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1),
		INSN(BPF_STX | BPF_MEM | BPF_DW, 6, 1, 0, 0),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 11, 0),
		INSN(BPF_STX | BPF_MEM | BPF_DW, 6, 7, 24, 0),
		INSN(BPF_STX | BPF_MEM | BPF_DW, 6, 0, 8, 0),
		/* r8: until when */
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 8, 0, 0, 0),
		LD64(1, 0, ns),
		INSN(BPF_ALU64 | BPF_ADD | BPF_X, 8, 1, 0, 0),
		MAY_GOTO(2),
		CALL(BPF_FUNC_ktime_get_ns),
		INSN(BPF_JMP | BPF_JLT | BPF_X, 0, 8, -3, 0),
		CALL(BPF_FUNC_ktime_get_ns),
		INSN(BPF_STX | BPF_MEM | BPF_DW, 6, 0, 16, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_PERF_EVENT;
	attr.insn_cnt = sizeof(insns) / sizeof(*insns);
	attr.insns = (uintptr_t)insns;
	attr.license = (uintptr_t) "GPL";
	attr.log_level = 1;
	attr.log_size = sizeof(log);
	attr.log_buf = (uintptr_t)log;
	slow->prog = slow_bpf(BPF_PROG_LOAD, &attr);
	if (slow->prog < 0)
		fail("BPF_PROG_LOAD: %s: %s", strerrorname_np(errno), log);

	for (int i = 0; i < SLOW_CPUS; i++) {
		slow->events[i] = -1;
		if (i >= cpus)
			continue;
		slow->events[i] = must(
			syscall(SYS_perf_event_open, &event, -1, i, -1, 0));
		must(ioctl(slow->events[i], PERF_EVENT_IOC_SET_BPF,
			   slow->prog));
		must(ioctl(slow->events[i], PERF_EVENT_IOC_ENABLE, 0));
	}
#undef MAY_GOTO
#undef CALL
#undef LD64
#undef INSN
}

/*
 * The first call of @function by a function that has @caller in its name, or by any if
 * that is NULL, takes @ns longer.  In the context of the call, interrupts off.
 */
static inline void slow_start(struct slow *slow, const char *function,
			      const char *caller, uint64_t ns)
{
	uint64_t from = 0, to = UINT64_MAX;

	if (caller)
		slow_find(caller, &from, &to);
	slow_probe(slow, slow_function(function), from, to, ns);
}

/* The same for the first time that the instruction at @where is run. */
static inline void slow_start_at(struct slow *slow, uint64_t where, uint64_t ns)
{
	slow_probe(slow, where, 0, UINT64_MAX, ns);
}

/* What was seen so far; the slow call may be under way. */
static inline struct slow_seen slow_look(const struct slow *slow)
{
	struct slow_seen seen;
	uint32_t zero = 0;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = slow->map;
	attr.key = (uintptr_t)&zero;
	attr.value = (uintptr_t)&seen;
	must(slow_bpf(BPF_MAP_LOOKUP_ELEM, &attr));
	return seen;
}

/* The same; waits until the slow call has ended, if it has begun. */
static inline struct slow_seen slow_seen(const struct slow *slow)
{
	for (;;) {
		struct slow_seen seen = slow_look(slow);

		if (!seen.count || seen.ended)
			return seen;
		usleep(1000);
	}
}

static inline void slow_stop(struct slow *slow)
{
	for (int i = 0; i < SLOW_CPUS && slow->events[i] >= 0; i++)
		must(close(slow->events[i]));
	must(close(slow->prog));
	must(close(slow->map));
}

#endif
