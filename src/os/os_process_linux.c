/* SPDX-License-Identifier: MPL-2.0 */
#include "os/os_process.h"

#include "base/err.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>

#define KTHREAD 0x00200000u /* PF_KTHREAD, linux/sched.h */
#define DELETED " (deleted)"
#define PID_MAX 0x7fffffffu

/* --- numbers in text that is not terminated ------------------------------- */

struct text {
	const char *p, *end;
};

static bool
take_number(struct text *t, unsigned int base, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned int d;
	const char *start = t->p;

	for (; t->p < t->end; t->p++) {
		if (*t->p >= '0' && *t->p <= '9')
			d = (unsigned int)(*t->p - '0');
		else if (*t->p >= 'a' && *t->p <= 'f')
			d = (unsigned int)(*t->p - 'a') + 10;
		else
			break;
		if (d >= base)
			break;
		if (v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	*ret = v;
	return t->p > start;
}

static bool
take_char(struct text *t, char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static bool
take_words(struct text *t, const char *words)
{
	size_t n = strlen(words);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, words, n) != 0)
		return false;
	t->p += n;
	return true;
}

static void
skip_spaces(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

/* --- stat ----------------------------------------------------------------- */

static bool
skip_fields(struct text *t, unsigned int n)
{
	for (; n > 0; n--) {
		while (t->p < t->end && *t->p != ' ')
			t->p++;
		if (!take_char(t, ' '))
			return false;
	}
	return true;
}

int
os_process_parse(const void *stat, size_t len, struct os_process *ret)
{
	struct text t = { stat, (const char *)stat + len };
	struct os_process p = { 0 };
	const char *close;
	uint64_t pid, parent, flags;
	size_t n;

	/* the name may hold anything, ')' and spaces too: the last one ends it
	 */
	close = len > 0 ? memrchr(stat, ')', len) : NULL;
	if (close == NULL || !take_number(&t, 10, &pid) || pid > PID_MAX ||
	    !take_words(&t, " (") || close < t.p)
		return ERR_INVALID;
	n = (size_t)(close - t.p);
	if (n >= sizeof(p.comm))
		n = sizeof(p.comm) - 1;
	memcpy(p.comm, t.p, n);
	t.p = close + 1;
	if (!take_char(&t, ' ') || t.p == t.end)
		return ERR_INVALID;
	p.state = *t.p++;
	if (!take_char(&t, ' ') || !take_number(&t, 10, &parent) ||
	    parent > PID_MAX || !take_char(&t, ' ') || !skip_fields(&t, 4) ||
	    !take_number(&t, 10, &flags))
		return ERR_INVALID;
	p.pid = (uint32_t)pid;
	p.parent = (uint32_t)parent;
	p.kernel = (flags & KTHREAD) != 0;
	*ret = p;
	return 0;
}

/* --- maps and smaps ------------------------------------------------------- */

/* "55a0b8a3c000-55a0b8a3e000 r--p 00000000 fd:01 1181239    /usr/bin/cat" */
static bool
parse_header(struct os_mapping *m, struct text *t)
{
	uint64_t offset, major, minor;
	size_t i;

	if (!take_number(t, 16, &m->begin) || !take_char(t, '-') ||
	    !take_number(t, 16, &m->end) || m->end <= m->begin ||
	    !take_char(t, ' ') || t->end - t->p < 5)
		return false;
	for (i = 0; i < 4; i++) {
		if (*t->p == '\0' || strchr("rwxps-", *t->p) == NULL)
			return false;
		m->permissions[i] = *t->p++;
	}
	if (!take_char(t, ' ') || !take_number(t, 16, &offset) ||
	    !take_char(t, ' ') || !take_number(t, 16, &major) ||
	    !take_char(t, ':') || !take_number(t, 16, &minor) ||
	    !take_char(t, ' ') || !take_number(t, 10, &m->inode) ||
	    major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	m->major = (uint32_t)major;
	m->minor = (uint32_t)minor;
	skip_spaces(t);
	return true;
}

static void
take_path(struct os_maps *p, const struct text *t)
{
	size_t n = (size_t)(t->end - t->p), d = sizeof(DELETED) - 1;

	memcpy(p->name, t->p, n);
	p->at.path = p->name;
	if (n > d && memcmp(p->name + n - d, DELETED, d) == 0) {
		p->at.deleted = true;
		n -= d;
	}
	p->name[n] = '\0';
	p->at.path_len = strlen(p->name);
}

static bool
has_flag(const struct text *t, const char *flag)
{
	const char *p;

	for (p = t->p; t->end - p >= 2; p += 3) {
		if (memcmp(p, flag, 2) == 0)
			return true;
	}
	return false;
}

/* "Rss:                 124 kB" */
static bool
take_size(struct text *t, uint64_t *ret)
{
	uint64_t kb;

	skip_spaces(t);
	if (!take_number(t, 10, &kb) || kb > UINT64_MAX / 1024)
		return false;
	*ret = kb * 1024;
	return true;
}

static bool
parse_detail(struct os_mapping *m, struct text *t)
{
	uint64_t huge;

	if (take_words(t, "Rss:")) {
		m->detailed = true;
		return take_size(t, &m->present);
	}
	if (take_words(t, "Swap:"))
		return take_size(t, &m->swapped);
	if (take_words(t, "Private_Hugetlb:") ||
	    take_words(t, "Shared_Hugetlb:")) {
		if (!take_size(t, &huge))
			return false;
		m->present += huge;
		return true;
	}
	if (take_words(t, "VmFlags:")) {
		skip_spaces(t);
		m->device = has_flag(t, "io") || has_flag(t, "pf");
		m->userfault = has_flag(t, "um") || has_flag(t, "ui");
	}
	return true;
}

static bool
hand_on(struct os_maps *p, os_mapping_found *found, void *arg)
{
	if (p->have && !found(&p->at, arg))
		p->stopped = true;
	p->have = false;
	return !p->stopped;
}

static bool
take_line(struct os_maps *p, struct text t, os_mapping_found *found, void *arg)
{
	struct os_mapping m = { 0 };
	struct text header = t;

	/* details begin with a capital letter, addresses never */
	if (t.p < t.end && *t.p >= 'A' && *t.p <= 'Z') {
		if (p->have && !parse_detail(&p->at, &t))
			p->bad = true;
		return true;
	}
	if (!hand_on(p, found, arg))
		return false;
	if (!parse_header(&m, &header)) {
		p->bad = true;
		return true;
	}
	p->at = m;
	take_path(p, &header);
	p->have = true;
	return true;
}

bool
os_maps_feed(struct os_maps *p, const void *data, size_t len,
    os_mapping_found *found, void *arg)
{
	const char *s = data, *end = s + len, *nl;
	size_t n, room;

	while (s < end && !p->stopped) {
		nl = memchr(s, '\n', (size_t)(end - s));
		n = (size_t)((nl != NULL ? nl : end) - s);
		if (nl != NULL && p->len == 0 && n < sizeof(p->line)) {
			take_line(p, (struct text){ s, nl }, found, arg);
		} else {
			room = sizeof(p->line) - 1 - p->len;
			memcpy(p->line + p->len, s, n < room ? n : room);
			p->len += n < room ? n : room;
			if (nl != NULL) {
				take_line(p,
				    (struct text){ p->line, p->line + p->len },
				    found, arg);
				p->len = 0;
			}
		}
		s += n + (nl != NULL);
	}
	return !p->stopped;
}

bool
os_maps_end(struct os_maps *p, os_mapping_found *found, void *arg)
{
	if (p->stopped)
		return false;
	if (p->len > 0)
		take_line(
		    p, (struct text){ p->line, p->line + p->len }, found, arg);
	p->len = 0;
	return hand_on(p, found, arg);
}

/* --- devices -------------------------------------------------------------- */

static enum os_device
device_kind(const char *type, size_t len)
{
	static const char *const memory[] = { "tmpfs", "ramfs", "hugetlbfs",
		"devtmpfs", "shm", NULL };
	char name[64];
	size_t i;

	if (len >= sizeof(name))
		return OS_DEVICE_REMOTE;
	memcpy(name, type, len);
	name[len] = '\0';
	for (i = 0; memory[i] != NULL; i++) {
		if (strcmp(name, memory[i]) == 0)
			return OS_DEVICE_MEMORY;
	}
	/* any program of the host may stand behind FUSE */
	if (os_mount_kind_of(name) != OS_MOUNT_LOCAL ||
	    strncmp(name, "fuse", 4) == 0)
		return OS_DEVICE_REMOTE;
	return OS_DEVICE_LOCAL;
}

/* "36 35 98:0 /root /mount/point rw - ext4 /dev/sda rw" */
static bool
parse_mount(struct text t, struct os_device_entry *ret)
{
	const char *sep = memmem(t.p, (size_t)(t.end - t.p), " - ", 3), *type;
	uint64_t major, minor;

	if (sep == NULL || !skip_fields(&t, 2) ||
	    !take_number(&t, 10, &major) || !take_char(&t, ':') ||
	    !take_number(&t, 10, &minor) || major > UINT32_MAX ||
	    minor > UINT32_MAX)
		return false;
	type = sep + 3;
	for (t.p = type; t.p < t.end && *t.p != ' '; t.p++)
		;
	ret->major = (uint32_t)major;
	ret->minor = (uint32_t)minor;
	ret->kind = device_kind(type, (size_t)(t.p - type));
	return true;
}

static int
compare(const void *pa, const void *pb)
{
	const struct os_device_entry *a = pa, *b = pb;

	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	return a->minor < b->minor ? -1 : a->minor > b->minor;
}

int
os_devices_parse(const char *text, size_t len, struct os_devices *ret)
{
	struct os_devices d = { NULL, 0 };
	const char *p = text, *end = text + len, *nl;
	struct os_device_entry one, *more;
	size_t cap = 0;

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		if (!parse_mount((struct text){ p, nl }, &one))
			continue;
		if (d.n == cap) {
			cap = cap == 0 ? 32 : cap * 2;
			more = reallocarray(d.list, cap, sizeof(*more));
			if (more == NULL) {
				os_devices_release(&d);
				return ERR_NOMEM;
			}
			d.list = more;
		}
		d.list[d.n++] = one;
	}
	if (d.n > 0)
		qsort(d.list, d.n, sizeof(*d.list), compare);
	*ret = d;
	return 0;
}

void
os_devices_release(struct os_devices *d)
{
	free(d->list);
	d->list = NULL;
	d->n = 0;
}

enum os_device
os_devices_find(const struct os_devices *d, uint32_t major, uint32_t minor)
{
	const struct os_device_entry want = { major, minor, OS_DEVICE_UNKNOWN };
	const struct os_device_entry *e;

	e = d->n > 0 ? bsearch(&want, d->list, d->n, sizeof(*d->list), compare)
		     : NULL;
	if (e != NULL)
		return e->kind;
	/* numbers without a mount here: a real disk all the same */
	return major != 0 ? OS_DEVICE_LOCAL : OS_DEVICE_UNKNOWN;
}
