// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shim's pattern matching is that of fnmatch(3) in the C locale: a table of
 * telling cases, then random patterns and texts compared with the C library.
 * Fails on the first that differs.
 *
 * need: host
 */
#include "libtest.h"

#include <fnmatch.h>

#include "../../lib/src/glob.c"

static const struct {
	const char *pattern;
	const char *path;
	bool matches;
} table[] = {
	{ "*.db", "/srv/a.db", true },	     { "*.db", "/srv/a.db-wal", false },
	{ "*.db*", "/srv/a.db-wal", true },  { "a.db", "/srv/a.db", true },
	{ "srv", "/srv/a.db", false },	     { "/srv/*", "/srv/x/a.db", true },
	{ "/srv/a.db", "/srv/a.db", true },  { "/srv", "/srv/a.db", false },
	{ "*/x/*.db", "/srv/x/a.db", true }, { "?.db", "/srv/a.db", true },
	{ "[!a].db", "/srv/a.db", false },   { "*", "/", true },
	{ "*", "no-slash", true },	     { "", "/srv/", true },
};

/* A bracket without an end is left out: the C library is not of one mind there. */
static const char *const elements[] = {
	"a",	 "b",	 "-",	  "]",	  "*",	   "*",	    "?",      "[ab]",
	"[!a]",	 "[^b]", "[a-c]", "[]a]", "[!]-]", "[a-]",  "[-a]",   "[*?]",
	"[\\]]", "\\*",	 "\\a",	  "\\[",  "[[]",   "[c-a]", "[!b-c]", "[a\\-c]",
};

static void random_pattern(char *pattern)
{
	int n = random() % 6;

	for (*pattern = '\0'; n--;)
		strcat(pattern, elements[random() % (sizeof(elements) /
						     sizeof(elements[0]))]);
}

static void random_text(char *text)
{
	static const char alphabet[] = "aabbc-][*\\";
	int i, n = random() % 7;

	for (i = 0; i < n; i++)
		text[i] = alphabet[random() % (sizeof(alphabet) - 1)];
	text[n] = '\0';
}

int main(void)
{
	char pattern[64], text[16];
	int i, hits = 0;

	for (i = 0; i < (int)(sizeof(table) / sizeof(table[0])); i++)
		if (wt_glob_path(table[i].pattern, table[i].path) !=
		    table[i].matches)
			fail("'%s' on '%s'", table[i].pattern, table[i].path);
	srandom(1);
	for (i = 0; i < 3000000; i++) {
		bool expected;

		random_pattern(pattern);
		random_text(text);
		expected = !fnmatch(pattern, text, 0);
		hits += expected;
		if (wt_glob(pattern, text) != expected)
			fail("'%s' on '%s': expected %d", pattern, text,
			     expected);
	}
	want(hits > 10000, 1);
	return 0;
}
