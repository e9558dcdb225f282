// SPDX-License-Identifier: GPL-2.0-only
/* The command line of a subcommand. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wt.h"

void wt_version(void)
{
	puts("wt " WT_VERSION);
}

/* "usage: wt run ..." -> "run" */
static void command_of(const char *help, char *name, size_t size)
{
	const char *p = help + strlen("usage: wt ");

	snprintf(name, size, "%.*s", (int)strcspn(p, " \n"), p);
}

void wt_usage(const char *help, const char *fmt, ...)
{
	const char *end = strstr(help, "\n\n");
	char name[16];
	va_list ap;

	command_of(help, name, sizeof(name));
	fprintf(stderr, "wt %s: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n%.*s\n", (int)(end ? end - help : 0), help);
	exit(WT_USAGE);
}

int wt_option(int argc, char **argv, const struct option *options,
	      const char *help)
{
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, "+:h", options, NULL);
	switch (c) {
	case 'h':
		fputs(help, stdout);
		exit(wt_flush(stdout));
	case 'v':
		wt_version();
		exit(wt_flush(stdout));
	case ':':
		wt_usage(help, "%s: its argument is missing", argv[optind - 1]);
	case '?':
		/* Of several short options in one word, optopt is the one. */
		if (optopt && optopt < 'v' && argv[optind - 1][1] != '-')
			wt_usage(help, "-%c: no such option", optopt);
		wt_usage(help, "%s: no such option, or not with a value",
			 argv[optind - 1]);
	}
	return c;
}

int64_t wt_size(const char *help, const char *option, const char *text,
		int64_t min, int64_t max)
{
	static const char units[] = "kMGT";
	const char *unit;
	char *end;
	uint64_t n;
	int shift = 0;

	/* strtoull() takes signs and blanks. */
	if (*text < '0' || *text > '9')
		goto bad;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text)
		goto bad;
	if (*end) {
		unit = strchr(units, *end == 'K' ? 'k' : *end);
		if (!unit || end[1])
			goto bad;
		shift = 10 * (unit - units + 1);
	}
	if (n > (uint64_t)INT64_MAX >> shift)
		goto bad;
	n <<= shift;
	if ((int64_t)n >= min && (int64_t)n <= max)
		return n;
bad:
	wt_usage(
		help,
		"%s %s: a number of bytes from %lld to %lld is allowed, also with k, M, G or T",
		option, text, (long long)min, (long long)max);
}
