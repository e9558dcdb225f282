// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Shell patterns, safe in signal handlers. */
#include <stddef.h>
#include <string.h>

#include "glob.h"

/*
 * @p is behind the '['.  The set's end, or NULL if there is none and the bracket
 * stands for itself.
 */
static const char *in_set(const char *p, unsigned char c, bool *hit)
{
	bool not = *p == '!' || *p == '^';
	const char *first;

	p += not ;
	*hit = not ;
	for (first = p; *p && (*p != ']' || p == first); p++) {
		unsigned char lo, hi;

		if (*p == '\\' && p[1])
			p++;
		lo = hi = *p;
		if (p[1] == '-' && p[2] && p[2] != ']') {
			p += 2;
			if (*p == '\\' && p[1])
				p++;
			hi = *p;
		}
		if (lo <= c && c <= hi)
			*hit = !not ;
	}
	return *p ? p + 1 : NULL;
}

/* The rest of @p if its first element takes the character @c, else NULL. */
static const char *take(const char *p, char c)
{
	const char *end;
	bool hit;

	switch (*p) {
	case '?':
		return p + 1;
	case '[':
		end = in_set(p + 1, c, &hit);
		if (end)
			return hit ? end : NULL;
		break;
	case '\\':
		p++;
		break;
	}
	return *p == c ? p + 1 : NULL;
}

bool wt_glob(const char *pattern, const char *text)
{
	/* Where to go on when the rest fails: only the last star can help. */
	const char *star = NULL, *from = NULL, *next;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
			continue;
		}
		next = *pattern ? take(pattern, *text) : NULL;
		if (next) {
			pattern = next;
			text++;
		} else if (star) {
			pattern = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool wt_glob_path(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!strchr(pattern, '/') && slash)
		path = slash + 1;
	return wt_glob(pattern, path);
}
