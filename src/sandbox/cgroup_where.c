/* SPDX-License-Identifier: MPL-2.0 */
/* Where our own control groups are, from proc(5), and their files. */
#include "sandbox/cgroup_kind.h"

#include "base/err.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

/* Is word one of the comma-separated ones? */
static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (; list != NULL; list = strchr(list, ',')) {
		list += *list == ',';
		if (strncmp(list, word, n) == 0 &&
		    (list[n] == ',' || list[n] == '\0'))
			return true;
		if (*list == '\0')
			break;
	}
	return false;
}

/* Our path in the hierarchy, from /proc/self/cgroup: "ID:CONTROLLERS:PATH". */
static bool
own_path(const char *controller, char out[static PATH_MAX])
{
	char line[LINE_MAX_BYTES], *controllers, *path;
	FILE *f = fopen("/proc/self/cgroup", "re");
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		path =
		    controllers == NULL ? NULL : strchr(controllers + 1, ':');
		if (path == NULL)
			continue;
		*controllers++ = '\0';
		*path++ = '\0';
		found = controller == NULL
		    ? strcmp(line, "0") == 0 && *controllers == '\0'
		    : has_word(controllers, controller);
		found = found && str_copy(out, PATH_MAX, path);
	}
	if (f != NULL)
		fclose(f);
	return found;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void
unescape(char *s)
{
	char *out = s;

	for (; *s != '\0'; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    s[2] != '\0' && s[3] != '\0') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
			    (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* One line of mountinfo: which group is mounted where. */
static bool
parse_mount(char *line, const char *controller, char **ret_root, char **ret_at)
{
	char *dash = strstr(line, " - "), *fields[5], *save = NULL, *kind, *p;
	size_t i;

	if (dash == NULL)
		return false;
	*dash = '\0';
	for (i = 0, p = line; i < 5; i++, p = NULL) {
		fields[i] = strtok_r(p, " ", &save);
		if (fields[i] == NULL)
			return false;
	}
	save = NULL;
	kind = strtok_r(dash + 3, " ", &save);
	if (kind == NULL || strtok_r(NULL, " ", &save) == NULL)
		return false;
	if (strcmp(kind, controller == NULL ? "cgroup2" : "cgroup") != 0)
		return false;
	p = strtok_r(NULL, " \n", &save);
	if (controller != NULL && (p == NULL || !has_word(p, controller)))
		return false;
	unescape(fields[3]);
	unescape(fields[4]);
	*ret_root = fields[3];
	*ret_at = fields[4];
	return true;
}

/* The path below a mount that shows the hierarchy from root on. */
static bool
below_mount(const char *at, const char *root, const char *path,
    char out[static PATH_MAX])
{
	size_t n = strlen(root);

	if (strncmp(path, "/..", 3) == 0)
		return false; /* outside our namespace */
	if (n == 1)
		n = 0;
	else if (strncmp(path, root, n) != 0 ||
	    (path[n] != '/' && path[n] != '\0'))
		return false;
	path += n;
	if (strcmp(path, "/") == 0)
		path = "";
	return snprintf(out, PATH_MAX, "%s%s", at, path) < PATH_MAX;
}

bool
cgroup_own_dir(const char *controller, char out[static PATH_MAX])
{
	char line[LINE_MAX_BYTES], path[PATH_MAX], *root, *at;
	bool found = false;
	FILE *f;

	if (!own_path(controller, path))
		return false;
	f = fopen("/proc/self/mountinfo", "re");
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = parse_mount(line, controller, &root, &at) &&
		    below_mount(at, root, path, out) && access(out, X_OK) == 0;
	if (f != NULL)
		fclose(f);
	return found;
}

bool
cgroup_path(char out[static PATH_MAX], const char *dir, const char *group,
    const char *file)
{
	return snprintf(out, PATH_MAX, "%s%s%s%s%s", dir,
		   *group != '\0' ? "/" : "", group, *file != '\0' ? "/" : "",
		   file) < PATH_MAX;
}

int
cgroup_write(const char *dir, const char *group, const char *file,
    const char *text, struct err *e)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	if (!cgroup_path(path, dir, group, file))
		return err_set(e, ERR_TOOBIG, "%s: the path is too long", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", path);
	if (write(fd, text, strlen(text)) < 0)
		rc = err_errno(e, "%s: '%s'", path, text);
	close(fd);
	return rc;
}

bool
cgroup_read(const char *dir, const char *group, const char *file, char *out,
    size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (!cgroup_path(path, dir, group, file))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}
