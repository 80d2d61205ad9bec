/* SPDX-License-Identifier: MPL-2.0 */
#include "base/path.h"

#include <stddef.h>
#include <string.h>

void
path_clean(char *path)
{
	char *in = path, *out = path, *end;
	size_t n;

	while (*in != '\0') {
		while (*in == '/')
			in++;
		end = strchr(in, '/');
		n = end != NULL ? (size_t)(end - in) : strlen(in);
		if (n == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n > 0 && !(n == 1 && in[0] == '.')) {
			*out++ = '/';
			memmove(out, in, n);
			out += n;
		}
		in += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

bool
path_is_clean(const char *path)
{
	const char *p = path;
	size_t n;

	if (strcmp(path, "/") == 0)
		return true;
	while (*p == '/') {
		n = strcspn(++p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
	}
	return p > path && *p == '\0';
}

bool
path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return true;
	return strncmp(path, dir, n) == 0 &&
	    (path[n] == '/' || path[n] == '\0');
}
