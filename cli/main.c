// SPDX-License-Identifier: GPL-2.0-only
/* wt: the table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "wt.h"

static const struct {
	const char *name;
	int (*function)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "probe", cmd_probe, "tell whether writes to a path can go through" },
	{ "write", cmd_write, "write standard input to a file" },
	{ "run", cmd_run, "run a program with its writes going through" },
	{ "stat", cmd_stat, "show a filesystem's counters" },
	{ "mode", cmd_mode, "show or set a filesystem's mode" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	size_t i;

	fputs("usage: wt COMMAND [ARG]...\n"
	      "       wt --help | --version\n"
	      "\nBuffered writes that return when their own I/O has ended.\n\n",
	      out);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-8s%s\n", commands[i].name,
			commands[i].summary);
	fputs("\n'wt COMMAND --help' describes a command, wt(1) all of them.\n",
	      out);
}

int main(int argc, char **argv)
{
	const char *name = argv[1];
	size_t i;

	if (argc < 2) {
		help(stderr);
		return WT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		help(stdout);
		return wt_flush(stdout);
	}
	if (!strcmp(name, "--version")) {
		wt_version();
		return wt_flush(stdout);
	}
	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].function(argc - 1, argv + 1);
	fprintf(stderr, "wt: %s: no such %s; allowed are", name,
		*name == '-' ? "option" : "command");
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(stderr, " %s", commands[i].name);
	fputs(" --help --version\n", stderr);
	return WT_USAGE;
}
