/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef WT_GLOB_H
#define WT_GLOB_H

#include <stdbool.h>

/*
 * Does @text match @pattern: *, ?, [a-z], [!a-z] and \ as in fnmatch(3) without
 * flags, byte by byte.  fnmatch() itself allocates in some locales, and this one
 * runs in signal handlers.
 */
bool wt_glob(const char *pattern, const char *text);

/*
 * The name rule of `wt run --match`: a pattern without a slash is for the last
 * part of @path, one with a slash is for all of it.
 */
bool wt_glob_path(const char *pattern, const char *path);

#endif
