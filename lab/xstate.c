// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-Mode Linux keeps 2696 bytes of the state of a process's vector units, which was all
 * that there was with AVX-512, and sets them with one call of ptrace().  The host refuses less
 * than all of its state (EFAULT), and where the processor has AMX, that is 11008 bytes.
 *
 * So what is set is filled up with zeroes.  Their owner is marked as unused in what the guest
 * has kept: a process must ask for AMX first, and none in a guest can.
 *
 * Linked into the kernel of the lab, stock or patched: --wrap=ptrace.
 */
#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

long __real_ptrace(int request, pid_t pid, void *addr, void *data);
long __wrap_ptrace(int request, pid_t pid, void *addr, void *data);

long __wrap_ptrace(int request, pid_t pid, void *addr, void *data)
{
	static char state[1 << 16];
	static size_t host_size;
	const struct iovec *iov = data;
	struct iovec all = { .iov_base = state, .iov_len = sizeof(state) };

	if (request != PTRACE_SETREGSET || addr != (void *)NT_X86_XSTATE)
		return __real_ptrace(request, pid, addr, data);

	if (!host_size) {
		if (__real_ptrace(PTRACE_GETREGSET, pid, addr, &all))
			return -1;
		host_size = all.iov_len;
		memset(state, 0, sizeof(state));
	}
	if (iov->iov_len >= host_size)
		return __real_ptrace(request, pid, addr, data);

	memcpy(state, iov->iov_base, iov->iov_len);
	all.iov_len = host_size;
	return __real_ptrace(request, pid, addr, &all);
}
