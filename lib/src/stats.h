/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The page that `wt run --stats` shares with the preloaded shim of every process
 * it started.  It is a memory file of wt's own, reached through /proc, so that
 * it needs no inherited descriptor, counts processes that end by _exit(2) or a
 * signal, and leaves nothing behind.
 */
#ifndef WT_STATS_H
#define WT_STATS_H

#include <stdint.h>

#define WT_STATS_NAME "wt-stats"
#define WT_STATS_MAGIC 0x77742d7374617431ULL /* and layout version */

/* Each counts since the start of the run. */
struct wt_stats {
	uint64_t magic;
	uint64_t processes; /* that loaded the shim */
	uint64_t calls; /* written through */
	uint64_t bytes; /* written by them */
	uint64_t fallback_calls; /* matched, but written on the stock path */
	uint64_t fallback_bytes; /* written by them */
	uint64_t errors; /* matched, and ended in an error */
	uint64_t untouched_calls; /* did not match */
};

#endif
