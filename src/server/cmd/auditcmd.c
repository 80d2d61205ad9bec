/* SPDX-License-Identifier: MPL-2.0 */
/* mig-server audit show | verify: the log of this machine's store. Its chain
 * shows that nothing was changed in between; that nothing was cut off at the
 * end, or all of it written anew, only who remembers a head can tell (mig
 * audit verify). */
#include "server/cmd/admin.h"
#include "server/cmd/commands.h"

#include "base/err.h"
#include "base/str.h"
#include "server/store/audit.h"

#include <stdio.h>
#include <string.h>

#define PAGE 500

struct walk {
	struct audit_head at; /* computed here */
	bool show;
	size_t seen;
	struct err *e;
};

static int
print_entry(const struct audit_head *head, const void *text, size_t len)
{
	struct buf out;
	int rc;

	buf_init(&out, 4 * AUDIT_TEXT_MAX);
	str_add_printable(&out, text, len);
	rc = out.error;
	if (rc == 0)
		printf("%llu %.*s\n", (unsigned long long)head->n, (int)out.len,
		    (const char *)out.data);
	buf_release(&out);
	return (rc);
}

static int
check_entry(
    const struct audit_head *head, const void *text, size_t len, void *arg)
{
	struct walk *w = arg;

	w->seen++;
	audit_next(&w->at, text, len);
	if (head->n != w->at.n)
		return (err_set(w->e, ERR_INVALID,
		    "the audit log is not whole: after entry %llu comes %llu",
		    (unsigned long long)w->at.n - 1,
		    (unsigned long long)head->n));
	if (!id_equal(&head->chain, &w->at.chain))
		return (err_set(w->e, ERR_INVALID,
		    "the audit log was changed: entry %llu is not the one that"
		    " was written",
		    (unsigned long long)head->n));
	return (w->show ? print_entry(head, text, len) : 0);
}

static int
walk(struct store *s, struct walk *w, struct err *e)
{
	int rc;

	w->e = e;
	if ((rc = store_audit_floor(s, &w->at, e)) != 0)
		return (rc);
	do {
		w->seen = 0;
		rc = store_audit(s, w->at.n, PAGE, check_entry, w, e);
	} while (rc == 0 && w->seen == PAGE);
	return (rc);
}

int
command_audit(const char *conf, int argc, char **argv)
{
	struct walk w = { 0 };
	struct admin a;
	struct err e;
	int rc;

	w.show = argc == 2 && strcmp(argv[1], "show") == 0;
	if (!w.show && (argc != 2 || strcmp(argv[1], "verify") != 0))
		return (admin_usage("audit"));
	if (admin_open(&a, conf, STORE_READ, &e) != 0)
		return (admin_fail(&e));
	rc = walk(a.s, &w, &e);
	admin_close(&a);
	if (rc != 0)
		return (admin_fail(&e));
	if (!w.show)
		printf("entries %llu\nhead    %s\nverdict whole\n",
		    (unsigned long long)w.at.n, id_hex(&w.at.chain).s);
	return (0);
}
