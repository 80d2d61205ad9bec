/* SPDX-License-Identifier: MPL-2.0 */
/* This endpoint's own row; see facts.h. Every value is text, as targets
 * compare text. */
#include "agent/monitor/facts.h"

#include "agent/conf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/jsonw.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FACT_MAX 65536

/* Moves the text out of b, terminated. */
static char *
take_text(struct buf *b, int *error)
{
	uint8_t *p;
	size_t len;

	buf_add_u8(b, '\0');
	if (b->error != 0) {
		*error = b->error;
		buf_release(b);
		return NULL;
	}
	buf_take(b, &p, &len);
	return (char *)p;
}

static char *
environment_text(const struct os_host *h, const char *sandbox, int *error)
{
	char uid[16];
	struct jsonw w;
	struct buf b;

	snprintf(uid, sizeof(uid), "%u", (unsigned int)geteuid());
	buf_init(&b, FACT_MAX);
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "os", h->os);
	jsonw_str(&w, "arch", h->arch);
	jsonw_str(&w, "ident", h->ident);
	jsonw_str(&w, "distro", h->distro);
	jsonw_str(&w, "distroversion", h->distro_version);
	jsonw_str(&w, "kernel", h->kernel);
	jsonw_str(&w, "init", h->init);
	jsonw_str(&w, "container", h->container ? "true" : "false");
	jsonw_str(&w, "sandbox", sandbox);
	jsonw_str(&w, "uid", uid);
	jsonw_object_end(&w);
	return take_text(&b, error);
}

static char *
tags_text(const struct conf_map *tags, int *error)
{
	struct jsonw w;
	struct buf b;
	size_t i;

	buf_init(&b, FACT_MAX);
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	for (i = 0; tags != NULL && i < tags->n; i++)
		jsonw_str(&w, tags->keys[i], tags->values[i]);
	jsonw_object_end(&w);
	return take_text(&b, error);
}

static char *
addresses_text(const struct os_host *h, int *error)
{
	struct jsonw w;
	struct buf b;
	size_t i;

	buf_init(&b, FACT_MAX);
	jsonw_init(&w, &b);
	jsonw_array(&w, NULL);
	for (i = 0; i < h->naddresses; i++)
		jsonw_str(&w, NULL, h->addresses[i]);
	jsonw_array_end(&w);
	return take_text(&b, error);
}

int
facts_read(struct facts *f, const struct agent_conf *c, const struct id *agent,
    const char *mode, const char *sandbox, struct err *e)
{
	int rc;

	memset(f, 0, sizeof(*f));
	rc = os_host_read(&f->host, e);
	if (rc != 0)
		return rc;
	str_copy(f->id, sizeof(f->id), id_hex(agent).s);
	str_copy(
	    f->name, sizeof(f->name), c->name != NULL ? c->name : f->host.name);
	str_copy(f->mode, sizeof(f->mode), mode);
	f->environment = environment_text(&f->host, sandbox, &rc);
	f->tags = tags_text(c->tags, &rc);
	f->addresses = addresses_text(&f->host, &rc);
	if (rc != 0) {
		facts_release(f);
		return err_code(e, rc, "tags and addresses of this host");
	}
	return 0;
}

void
facts_release(struct facts *f)
{
	free(f->environment);
	free(f->tags);
	free(f->addresses);
	memset(f, 0, sizeof(*f));
}

bool
facts_equal(const struct facts *a, const struct facts *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->mode, b->mode) == 0 &&
	    strcmp(a->environment, b->environment) == 0 &&
	    strcmp(a->tags, b->tags) == 0 &&
	    strcmp(a->addresses, b->addresses) == 0;
}

void
facts_row(const struct facts *f, struct target_row *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->id = f->id;
	ret->name = f->name;
	ret->os = f->host.os;
	ret->arch = f->host.arch;
	ret->ident = f->host.ident;
	ret->version = MIG_VERSION;
	ret->mode = f->mode;
	ret->environment = f->environment;
	ret->tags = f->tags;
	ret->addresses = f->addresses;
}

void
facts_write(const struct facts *f, struct buf *out)
{
	struct target_row row;
	size_t i;

	facts_row(f, &row);
	{
		const char *const all[] = { row.id, row.name, row.os, row.arch,
			row.ident, row.version, row.mode, row.environment,
			row.tags, row.addresses };

		for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
			buf_add_field(out, all[i], strlen(all[i]));
	}
}
