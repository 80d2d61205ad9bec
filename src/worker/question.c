/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/question.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "json/json.h"
#include "modules/module.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
unwrap(const json_t *root, const json_t **ret, struct err *e)
{
	static const char *const keys[] = { "class", "parameters",
		"persistsock", NULL };
	const char *class;
	json_t *params;
	int rc;

	*ret = root;
	if (json_object_get(root, "class") == NULL)
		return 0;
	if ((rc = json_only_keys(root, "", keys, e)) != 0 ||
	    (rc = json_need_str(root, "", "class", &class, e)) != 0)
		return rc;
	if (strcmp(class, "parameters") != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "class: expected "
		    "\"parameters\", found \"%.32s\"",
		    class);
	rc = json_need_object(root, "", "parameters", &params, e);
	if (rc == 0)
		*ret = params;
	return rc;
}

int
question_from_stdin(const char *module, struct question *ret, struct err *e)
{
	const struct module *m = module_find(module);
	struct question q = { .module = m->number };
	struct buf in;
	int rc;

	buf_init(&in, QUESTION_MAX);
	rc = fd_read_all(STDIN_FILENO, &in, e);
	if (rc == 0) {
		q.root = json_strict(in.data, in.len, QUESTION_MAX, e);
		rc = q.root == NULL ? e->code : 0;
	}
	buf_release(&in);
	if (rc != 0)
		return err_wrap(e, "standard input");
	rc = unwrap(q.root, &q.params, e);
	if (rc == 0)
		rc = m->check(q.params, e);
	if (rc != 0) {
		json_decref(q.root);
		return rc;
	}
	*ret = q;
	return 0;
}

/* What was judged cannot have changed since: nobody can write to it. */
static int
check_sealed(struct err *e)
{
	const int want = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
	int seals = fcntl(QUESTION_FD, F_GET_SEALS);

	if (seals < 0)
		return err_errno(e, "descriptor %d: expected a sealed document",
		    QUESTION_FD);
	if ((seals & want) != want)
		return err_set(e, ERR_DENIED,
		    "descriptor %d: the document is not sealed", QUESTION_FD);
	return 0;
}

/* Nobody can change it: it is read where it lies. */
static int
map_document(void **ret, size_t *ret_len, struct err *e)
{
	struct stat st;
	void *p;

	if (fstat(QUESTION_FD, &st) != 0)
		return err_errno(e, "descriptor %d", QUESTION_FD);
	if (st.st_size <= 0 || st.st_size > QUESTION_MAX)
		return err_set(e, ERR_TOOBIG,
		    "descriptor %d: %lld bytes, expected 1 to %d", QUESTION_FD,
		    (long long)st.st_size, QUESTION_MAX);
	p = mmap(
	    NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, QUESTION_FD, 0);
	if (p == MAP_FAILED)
		return err_errno(e, "descriptor %d", QUESTION_FD);
	*ret = p;
	*ret_len = (size_t)st.st_size;
	return 0;
}

static void
unmap(struct question *q)
{
	if (q->document != NULL)
		munmap(q->document, q->document_len);
	q->document = NULL;
}

int
question_from_action(const struct order *o, struct question *ret, struct err *e)
{
	struct question q = { 0 };
	const void *doc = o->document;
	size_t len = o->document_len;
	int rc = 0;

	q.action = calloc(1, sizeof(*q.action));
	if (q.action == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (len == 0) {
		rc = check_sealed(e);
		if (rc == 0)
			rc = map_document(&q.document, &q.document_len, e);
		doc = q.document;
		len = q.document_len;
	}
	if (rc == 0)
		rc = action_parse_for(doc, len, o->operation, q.action, e);
	if (rc != 0) {
		free(q.action);
		unmap(&q);
		return err_wrap(e, "action document");
	}
	q.module = q.action->operations[o->operation].module_number;
	q.params = q.action->operations[o->operation].parameters;
	*ret = q;
	return 0;
}

void
question_release(struct question *q)
{
	json_decref(q->root);
	if (q->action != NULL) {
		action_release(q->action);
		free(q->action);
	}
	unmap(q);
	memset(q, 0, sizeof(*q));
}
