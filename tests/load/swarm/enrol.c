/* SPDX-License-Identifier: MPL-2.0 */
/*
 * swarm enrol: agents by the real API, several connections at once, each in a
 * process of its own. The agents' identities differ; their TLS key is one, as
 * nobody looks at it but the TLS library.
 *
 * The file: u32 magic, u32 agents, then the fields relay ("host:port"), CA
 * (PEM), TLS key (PEM), then for each agent: 32 bytes seed, u16 length,
 * certificate (DER).
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "crypto/sha256.h"
#include "crypto/x509.h"
#include "http/http.h"
#include "json/json.h"
#include "swarm.h"

#include <fcntl.h>
#include <getopt.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC 0x53574d31
#define FILE_MAX_BYTES ((size_t)1 << 30)
#define JOBS_MAX 64
#define TRIES 5
#define RELAY_MAX 300

struct enrol {
	const char *server, *token, *out;
	struct id ca;
	size_t n, jobs;
	char *ca_pem, *key_pem;
	struct buf spki;
	char *relay; /* RELAY_MAX bytes, shared with the children */
};

static int
write_request(const struct enrol *x, const struct identity *who,
    const char *name, struct buf *out)
{
	uint8_t nonce[32], token[32], sig[IDENTITY_SIG_LEN];
	char hex[2 * IDENTITY_SIG_LEN + 1], when[RFC3339_LEN + 1];
	struct id hash;
	struct buf doc, b64;
	struct jsonw w;

	if (hex_decode(x->token, token, sizeof(token)) != 0)
		return ERR_INVALID;
	RAND_bytes(nonce, sizeof(nonce));
	sha256(token, sizeof(token), &hash);
	buf_init(&doc, 8192);
	buf_init(&b64, 1024);
	b64_encode(&b64, x->spki.data, x->spki.len);
	rfc3339_format(clock_wall_ms() / 1000, when);
	jsonw_init(&w, &doc);
	jsonw_object(&w, NULL);
	jsonw_i64(&w, "syntaxversion", 3);
	hex_encode(nonce, sizeof(nonce), hex);
	jsonw_str(&w, "nonce", hex);
	jsonw_str(&w, "token_sha256", id_hex(&hash).s);
	jsonw_strn(&w, "tls_spki", b64.data, b64.len);
	jsonw_str(&w, "name", name);
	jsonw_str(&w, "time", when);
	jsonw_object_end(&w);
	identity_sign(who, PURPOSE_ENROL, doc.data, doc.len, sig);

	buf_clear(out);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_strn(&w, "document", doc.data, doc.len);
	hex_encode(who->pub, IDENTITY_PUB_LEN, hex);
	jsonw_str(&w, "identity", hex);
	jsonw_str(&w, "token", x->token);
	hex_encode(sig, sizeof(sig), hex);
	jsonw_str(&w, "signature", hex);
	jsonw_object_end(&w);
	buf_release(&doc);
	buf_release(&b64);
	return out->error;
}

/* One agent; its record is appended to out. */
static int
enrol_one(
    struct enrol *x, struct http *h, size_t number, FILE *out, struct err *e)
{
	const char *cert_pem = NULL, *relay = NULL;
	struct http_response res;
	struct http_request req = { .method = "POST", .path = "/api/v1/enrol" };
	uint8_t der[4096], *at = der;
	struct identity who;
	char name[64];
	json_t *root = NULL;
	struct buf body;
	X509 *cert = NULL;
	BIO *bio;
	int rc, len = 0;

	identity_new(&who);
	snprintf(name, sizeof(name), "swarm%05zu", number);
	buf_init(&body, 32768);
	rc = write_request(x, &who, name, &body);
	if (rc != 0)
		return err_set(e, rc, "token: expected 64 hex digits");
	req.body = body.data;
	req.body_len = body.len;
	rc = http_do(h, &req, &res, e);
	if (rc == 0 && res.status != 201)
		rc = err_set(e, res.status == 503 ? ERR_BUSY : ERR_DENIED,
		    "enrol: HTTP %d: %.300s", res.status,
		    buf_str(&res.body) != NULL ? buf_str(&res.body) : "");
	if (rc == 0) {
		root = json_strict(res.body.data, res.body.len, 1 << 24, e);
		rc = root == NULL ? ERR_INVALID : 0;
	}
	if (rc == 0 &&
	    (rc = json_need_str(root, "", "certificate", &cert_pem, e)) == 0)
		rc = json_need_str(root, "", "relay", &relay, e);
	if (rc == 0) {
		bio = BIO_new_mem_buf(cert_pem, -1);
		cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		BIO_free(bio);
		if (cert != NULL && i2d_X509(cert, NULL) < (int)sizeof(der))
			len = i2d_X509(cert, &at);
		X509_free(cert);
		if (len <= 0)
			rc = err_set(e, ERR_INVALID, "certificate: unreadable");
	}
	if (rc == 0) {
		snprintf(x->relay, RELAY_MAX, "%s", relay);
		fwrite(who.seed, 1, sizeof(who.seed), out);
		fputc(len >> 8, out);
		fputc(len & 255, out);
		fwrite(der, 1, (size_t)len, out);
	}
	json_decref(root);
	http_response_release(&res);
	buf_release(&body);
	return rc;
}

/* In a process of its own: agents number job, job + jobs, ... */
static int
enrol_job(struct enrol *x, size_t job, const char *path)
{
	struct http_options o = { .base = x->server,
		.ca_pem = x->ca_pem,
		.user_agent = "mig-swarm" };
	struct http *h = NULL;
	FILE *out = fopen(path, "w");
	struct err e;
	size_t i;
	int rc, tries;

	err_clear(&e);
	if (out == NULL || http_new(&o, &h, &e) != 0)
		goto fail;
	for (i = job; i < x->n; i += x->jobs) {
		for (tries = 0; tries < TRIES; tries++) {
			rc = enrol_one(x, h, i, out, &e);
			if (rc != ERR_BUSY)
				break;
			usleep(100000);
		}
		if (rc != 0)
			goto fail;
	}
	http_free(h);
	return fclose(out) == 0 ? 0 : 1;
fail:
	fprintf(stderr, "swarm: enrol: %s\n", e.msg);
	return 1;
}

/* --- the file --------------------------------------------------------------
 */

static int
merge(const struct enrol *x, struct err *e)
{
	char path[4096];
	struct buf all;
	size_t i;
	int rc = 0;

	buf_init(&all, FILE_MAX_BYTES);
	buf_add_u32(&all, MAGIC);
	buf_add_u32(&all, (uint32_t)x->n);
	buf_add_field(&all, x->relay, strlen(x->relay));
	buf_add_field(&all, x->ca_pem, strlen(x->ca_pem));
	buf_add_field(&all, x->key_pem, strlen(x->key_pem));
	for (i = 0; rc == 0 && i < x->jobs; i++) {
		snprintf(path, sizeof(path), "%s.%zu", x->out, i);
		rc = file_read(path, &all, e);
		unlink(path);
	}
	if (rc == 0)
		rc = file_write(x->out, all.data, all.len, 0600, e);
	buf_release(&all);
	return rc;
}

int
swarm_file_open(const char *path, struct swarm_file *ret, struct err *e)
{
	struct stat st;
	struct rd r;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(e, "%s", path);
	ret->len = (size_t)st.st_size;
	ret->p = mmap(NULL, ret->len, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (ret->p == MAP_FAILED)
		return err_errno(e, "%s", path);
	rd_init(&r, ret->p, ret->len);
	if (rd_u32(&r) != MAGIC)
		return err_set(e, ERR_INVALID, "%s: not a swarm", path);
	ret->n = rd_u32(&r);
	rd_field_str(&r, ret->relay, sizeof(ret->relay));
	rd_field_str(&r, ret->ca, sizeof(ret->ca));
	rd_field_str(&r, ret->key, sizeof(ret->key));
	if (r.bad)
		return err_set(e, ERR_INVALID, "%s: damaged", path);
	ret->first = r.p;
	return 0;
}

/* --- the command ------------------------------------------------------------
 */

static int
prepare(struct enrol *x, struct err *e)
{
	struct buf ca, key;
	struct id fpr;
	int rc;

	buf_init(&ca, X509_PEM_MAX);
	buf_init(&key, X509_PEM_MAX);
	buf_init(&x->spki, 4096);
	x->relay = mmap(NULL, RELAY_MAX, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (x->relay == MAP_FAILED)
		return err_errno(e, "mmap");
	if ((rc = http_fetch_ca(x->server, &ca, e)) != 0 ||
	    (rc = x509_fingerprint(buf_str(&ca), &fpr, e)) != 0)
		return rc;
	if (!id_equal(&fpr, &x->ca))
		return err_set(e, ERR_AUTH, "the server has another CA");
	if ((rc = x509_key_new(&key, e)) != 0 ||
	    (rc = x509_key_spki(buf_str(&key), &x->spki, e)) != 0)
		return rc;
	x->ca_pem = strdup(buf_str(&ca));
	x->key_pem = strdup(buf_str(&key));
	buf_release(&ca);
	buf_release(&key);
	return x->ca_pem == NULL || x->key_pem == NULL ? ERR_NOMEM : 0;
}

static int
run_jobs(struct enrol *x)
{
	pid_t pids[JOBS_MAX];
	char path[4096];
	size_t i;
	int status, failed = 0;

	for (i = 0; i < x->jobs; i++) {
		if ((pids[i] = fork()) != 0)
			continue;
		snprintf(path, sizeof(path), "%s.%zu", x->out, i);
		_exit(enrol_job(x, i, path));
	}
	for (i = 0; i < x->jobs; i++)
		failed |= pids[i] < 0 || waitpid(pids[i], &status, 0) < 0 ||
		    status != 0;
	return failed;
}

int
swarm_enrol(int argc, char **argv)
{
	struct enrol x = { .jobs = 8 };
	const char *ca = "";
	struct err e;
	int c;

	err_clear(&e);
	while ((c = getopt(argc, argv, "s:c:t:n:j:o:")) != -1) {
		switch (c) {
		case 's':
			x.server = optarg;
			break;
		case 'c':
			ca = optarg;
			break;
		case 't':
			x.token = optarg;
			break;
		case 'n':
			x.n = strtoul(optarg, NULL, 10);
			break;
		case 'j':
			x.jobs = strtoul(optarg, NULL, 10);
			break;
		case 'o':
			x.out = optarg;
			break;
		default:
			return 2;
		}
	}
	if (x.server == NULL || x.token == NULL || x.out == NULL || x.n == 0 ||
	    x.jobs == 0 || x.jobs > JOBS_MAX || id_parse(ca, &x.ca) != 0)
		return 2;
	if (x.jobs > x.n)
		x.jobs = x.n;
	if (prepare(&x, &e) != 0) {
		fprintf(stderr, "swarm: %s\n", e.msg);
		return 1;
	}
	if (run_jobs(&x) != 0)
		return 1;
	if (merge(&x, &e) != 0) {
		fprintf(stderr, "swarm: %s\n", e.msg);
		return 1;
	}
	return 0;
}
