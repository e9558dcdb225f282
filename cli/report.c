// SPDX-License-Identifier: GPL-2.0-only
/* What wt prints. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wt.h"

int wt_error(const char *path, const char *operation, const char *reason)
{
	fprintf(stderr, "wt: %s: %s: %s\n", path, operation, reason);
	return WT_FAILED;
}

int wt_errno(const char *path, const char *operation, int err)
{
	return wt_error(path, operation, strerror(err));
}

int wt_flush(FILE *out)
{
	if (!fflush(out) && !ferror(out))
		return WT_OK;
	return wt_errno(out == stdout ? "standard output" : "standard error",
			"write", errno);
}

int wt_json(json_t *object, FILE *out)
{
	int err = object ? json_dumpf(object, out, JSON_COMPACT) : -1;

	json_decref(object);
	if (err)
		return wt_error("json", "print", "bad string or no memory");
	fputc('\n', out);
	return wt_flush(out);
}
