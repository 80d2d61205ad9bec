/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One easy handle, driven through a multi handle so that a tick runs while
 * nothing arrives. The connection is kept between requests.
 */
#include "http/http.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "crypto/x509.h"
#include "http/apiversion.h"

#include <curl/curl.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HTTP_TICK_MS 100
#define HTTP_CONNECT_MS 10000L
#define HTTP_IDLE_MS 60000L
#define HTTP_ERROR_BODY_MAX (64 * 1024)

struct http {
	CURL *easy;
	CURLM *multi;
	char *base, *ca_pem; /* owned */
	char error[CURL_ERROR_SIZE];
};

/* One running request. */
struct transfer {
	struct http *http;
	const struct http_request *req;
	struct http_response *res;
	int64_t start_ms, last_byte_ms;
	uint64_t bytes, sent; /* of the answer; of the request */
	int stop;             /* ERR_* that a callback asked for */
};

static int
http_check_base(const char *base, struct err *e)
{
	CURLU *u = curl_url();
	char *host = NULL, *path = NULL;
	CURLUcode rc;
	int r = 0;

	if (u == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if ((rc = curl_url_set(u, CURLUPART_URL, base, 0)) == CURLUE_OK &&
	    (rc = curl_url_get(u, CURLUPART_HOST, &host, 0)) == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_PATH, &path, 0);
	if (rc == CURLUE_OUT_OF_MEMORY)
		r = err_set(e, ERR_NOMEM, "out of memory");
	else if (rc != CURLUE_OK || !str_starts(base, "https://") ||
	    strcmp(path, "/") != 0 || base[strlen(base) - 1] == '/')
		r = err_set(e, ERR_INVALID,
		    "'%s' is not a server address; expected "
		    "https://HOST:PORT without a path",
		    base);
	curl_free(host);
	curl_free(path);
	curl_url_cleanup(u);
	return r;
}

/* A proxy of the environment is never asked about this machine itself. */
static CURLcode
http_skip_proxy_for_loopback(CURL *c, const char *base)
{
	const char *host = base + strlen("https://");

	if (str_starts(host, "localhost") || str_starts(host, "127.") ||
	    str_starts(host, "[::1]"))
		return curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	return CURLE_OK;
}

/* Options that are copied may find no memory: without one of these the request
 * would be another. */
static CURLcode
http_common_options(CURL *c, const char *base)
{
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, HTTP_CONNECT_MS);
	return http_skip_proxy_for_loopback(c, base);
}

/* No CA of the system's: the pinned one, or one that follows it. */
static CURLcode
http_trust(CURL *easy, void *ctx, void *arg)
{
	struct http *h = arg;
	struct err e;

	if (x509_client_trust(ctx, h->ca_pem, &e) == 0)
		return CURLE_OK;
	snprintf(h->error, sizeof(h->error), "%.200s", e.msg);
	return CURLE_SSL_CERTPROBLEM;
}

int
http_new(const struct http_options *o, struct http **ret, struct err *e)
{
	struct http *h;
	int r;

	r = http_check_base(o->base, e);
	if (r == 0)
		r = x509_start(e);
	if (r != 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	h->base = strdup(o->base);
	h->ca_pem = strdup(o->ca_pem);
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (h->base == NULL || h->ca_pem == NULL || h->easy == NULL ||
	    h->multi == NULL ||
	    http_common_options(h->easy, o->base) != CURLE_OK ||
	    curl_easy_setopt(h->easy, CURLOPT_USERAGENT,
		o->user_agent != NULL ? o->user_agent : "mig/" MIG_VERSION) !=
		CURLE_OK) {
		http_free(h);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	curl_easy_setopt(h->easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(h->easy, CURLOPT_SSL_CTX_FUNCTION, http_trust);
	curl_easy_setopt(h->easy, CURLOPT_SSL_CTX_DATA, h);
	curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (o->connect_timeout_ms > 0)
		curl_easy_setopt(
		    h->easy, CURLOPT_CONNECTTIMEOUT_MS, o->connect_timeout_ms);
	curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->error);
	*ret = h;
	return 0;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	if (h->easy != NULL)
		curl_easy_cleanup(h->easy);
	if (h->multi != NULL)
		curl_multi_cleanup(h->multi);
	free(h->base);
	free(h->ca_pem);
	free(h);
}

static size_t
transfer_write(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * n;
	long status = 0;
	int64_t now;

	t->last_byte_ms = clock_mono_ms();
	if (t->bytes == 0 && t->sent > 0)
		t->start_ms = t->last_byte_ms;
	t->bytes += len;
	curl_easy_getinfo(t->http->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->req->on_data != NULL && status >= 200 && status < 300) {
		t->stop = t->req->on_data(data, len, t->req->arg);
		/* how long that took is not the server's doing */
		now = clock_mono_ms();
		t->start_ms += now - t->last_byte_ms;
		t->last_byte_ms = now;
		return t->stop == 0 ? len : 0;
	}
	if (t->req->on_data != NULL &&
	    t->res->body.len + len > HTTP_ERROR_BODY_MAX)
		return len; /* of an error page only the beginning matters */
	t->stop = buf_add(&t->res->body, data, len);
	return t->stop == 0 ? len : 0;
}

static int
http_error(struct http *h, CURLcode code, struct err *e)
{
	long no = 0;
	const char *why =
	    h->error[0] != '\0' ? h->error : curl_easy_strerror(code);

	curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &no);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return err_set(e, ERR_CLOSED, "cannot reach %s: %s", h->base,
		    no != 0 ? strerror((int)no) : why);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return err_set(
		    e, ERR_CLOSED, "cannot reach %s: %s", h->base, why);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(
		    e, ERR_TIMEOUT, "%s does not answer: %s", h->base, why);
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(e, ERR_AUTH,
		    "%s is not the server of the pinned CA: %s", h->base, why);
	case CURLE_OUT_OF_MEMORY:
		return err_set(e, ERR_NOMEM, "out of memory");
	default:
		return err_set(e, ERR_IO, "talking to %s: %s", h->base, why);
	}
}

/* Byte after byte an answer, or a request, would take as long as the server
 * likes: it has a second for each 1000 of them. What is followed ends by its
 * tick. */
static bool
transfer_is_slow(const struct transfer *t, int64_t now, long idle)
{
	return (t->req->on_data == NULL || t->req->on_tick == NULL) &&
	    (uint64_t)(now - t->start_ms) >
	    (uint64_t)idle + (t->bytes > 0 ? t->bytes : t->sent);
}

/* A long request on a slow line is no silence. */
static void
count_sent(struct transfer *t, int64_t now)
{
	curl_off_t sent = 0;

	if (curl_easy_getinfo(t->http->easy, CURLINFO_SIZE_UPLOAD_T, &sent) !=
		CURLE_OK ||
	    (uint64_t)sent <= t->sent)
		return;
	t->sent = (uint64_t)sent;
	t->last_byte_ms = now;
}

/* Runs until the transfer ends, is stopped or is idle for too long. */
static int
http_run(struct transfer *t, struct err *e)
{
	const struct http_request *r = t->req;
	long idle = r->idle_ms > 0 ? r->idle_ms : HTTP_IDLE_MS;
	struct http *h = t->http;
	int running = 1, left, stop;
	int64_t now;
	CURLMsg *m;

	while (running > 0) {
		if (curl_multi_perform(h->multi, &running) != CURLM_OK)
			return err_set(e, ERR_INTERNAL, "libcurl failed");
		if (running == 0) /* what has come is not stopped any more */
			break;
		stop = r->on_tick != NULL ? r->on_tick(r->arg) : 0;
		if (stop != 0)
			return err_set(e, stop, "stopped");
		now = clock_mono_ms();
		count_sent(t, now);
		if (now - t->last_byte_ms > idle)
			return err_set(e, ERR_TIMEOUT,
			    "%s has sent nothing for %ld s", h->base,
			    idle / 1000);
		if (transfer_is_slow(t, now, idle))
			return err_set(e, ERR_TIMEOUT,
			    "%s is too slow: %" PRIu64 " bytes in %" PRId64
			    " s",
			    h->base, t->bytes, (now - t->start_ms) / 1000);
		curl_multi_poll(h->multi, NULL, 0, HTTP_TICK_MS, NULL);
	}
	m = curl_multi_info_read(h->multi, &left);
	if (t->stop == ERR_TOOBIG)
		return err_set(
		    e, ERR_TOOBIG, "the answer of %s is too large", h->base);
	if (t->stop != 0)
		return t->stop == ERR_NOMEM
		    ? err_set(e, t->stop, "out of memory")
		    : err_set(e, t->stop, "stopped");
	if (m == NULL || m->msg != CURLMSG_DONE)
		return err_set(e, ERR_INTERNAL, "libcurl lost the request");
	if (m->data.result != CURLE_OK)
		return http_error(h, m->data.result, e);
	return 0;
}

static struct curl_slist *
http_headers(const struct http_request *r, struct err *e)
{
	struct curl_slist *l = NULL, *n;
	struct buf b;

	buf_init(&b, 4096);
	n = curl_slist_append(NULL, "Accept: application/json");
	l = n;
	if (n != NULL && r->body != NULL)
		n = curl_slist_append(l, "Content-Type: application/json");
	if (n != NULL)
		n = curl_slist_append(l, "Expect:");
	if (n != NULL && r->token != NULL) {
		buf_add_fmt(&b, "Authorization: Bearer %s", r->token);
		n = buf_str(&b) == NULL ? NULL
					: curl_slist_append(l, buf_str(&b));
		explicit_bzero(b.data, b.len);
	}
	buf_release(&b);
	if (n == NULL) {
		curl_slist_free_all(l);
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	return l;
}

static CURLcode
http_set_method(CURL *c, const struct http_request *r)
{
	bool post = strcmp(r->method, "POST") == 0 || r->body != NULL;

	curl_easy_setopt(c, post ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
	if (!post)
		return curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
	curl_easy_setopt(
	    c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body != NULL ? r->body : "");
	return curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
}

/* "NAME:" in either case; what follows is copied as text. */
static bool
header_is(const char *data, size_t len, const char *name, char text[static 64])
{
	size_t n = strlen(name);

	if (len <= n || len - n >= 64 || strncasecmp(data, name, n) != 0)
		return false;
	memcpy(text, data + n, len - n);
	text[len - n] = '\0';
	return true;
}

/* "NAME: VALUE" and a line end, one call a line; RFC 9110, 5.1: names are of
 * either case. */
static size_t
http_on_header(char *data, size_t size, size_t n, void *arg)
{
	struct http_response *res = arg;
	unsigned int oldest, newest, wait;
	size_t len = size * n;
	char text[64];

	if (header_is(data, len, API_HEADER ":", text) &&
	    sscanf(text, " %5u-%5u", &oldest, &newest) == 2) {
		res->api_oldest = oldest;
		res->api_newest = newest;
	}
	/* RFC 9110, 10.2.3; the other form, a date, is not our server's */
	if (header_is(data, len, "Retry-After:", text) &&
	    sscanf(text, " %6u", &wait) == 1)
		res->retry_after = wait;
	return len;
}

int
http_do(struct http *h, const struct http_request *r, struct http_response *ret,
    struct err *e)
{
	struct transfer t = { .http = h, .req = r, .res = ret };
	struct curl_slist *headers;
	struct buf url;
	long status = 0;
	int rc;

	ret->status = 0;
	ret->api_oldest = ret->api_newest = ret->retry_after = 0;
	buf_init(&ret->body, HTTP_BODY_MAX);
	headers = http_headers(r, e);
	if (headers == NULL)
		return ERR_NOMEM;
	buf_init(&url, 64 * 1024);
	buf_add_fmt(&url, "%s%s", h->base, r->path);
	if (buf_str(&url) == NULL) {
		rc = err_code(e, url.error, "the request");
		goto out;
	}
	h->error[0] = '\0';
	t.start_ms = t.last_byte_ms = clock_mono_ms();
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, transfer_write);
	curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, http_on_header);
	curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, ret);
	curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, &t);
	if (curl_easy_setopt(h->easy, CURLOPT_URL, buf_str(&url)) != CURLE_OK ||
	    http_set_method(h->easy, r) != CURLE_OK) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK) {
		rc = err_set(e, ERR_INTERNAL, "libcurl failed");
		goto out;
	}
	rc = http_run(&t, e);
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(h->multi, h->easy);
	if (rc == 0)
		ret->status = (int)status;
out:
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, NULL);
	curl_slist_free_all(headers);
	buf_release(&url);
	return rc;
}

void
http_response_release(struct http_response *r)
{
	buf_release(&r->body);
	r->status = 0;
}

/* The last certificate of what curl noted about the chain. */
static int
http_last_cert(CURL *c, struct buf *out, struct err *e)
{
	struct curl_certinfo *ci = NULL;
	struct curl_slist *s;
	const char *pem = NULL;

	if (curl_easy_getinfo(c, CURLINFO_CERTINFO, &ci) == CURLE_OK &&
	    ci != NULL && ci->num_of_certs > 0)
		for (s = ci->certinfo[ci->num_of_certs - 1]; s; s = s->next)
			if (str_starts(s->data, "Cert:"))
				pem = s->data + strlen("Cert:");
	if (pem == NULL)
		return err_set(e, ERR_IO, "the server shows no certificate");
	if (buf_add_str(out, pem) != 0 ||
	    (pem[strlen(pem) - 1] != '\n' && buf_add_u8(out, '\n') != 0))
		return err_set(e, ERR_TOOBIG, "the certificate is too large");
	return 0;
}

int
http_fetch_ca(const char *base, struct buf *out, struct err *e)
{
	struct http h = { 0 };
	CURLcode code;
	int r;

	r = http_check_base(base, e);
	if (r != 0)
		return r;
	h.easy = curl_easy_init();
	h.base = strdup(base);
	if (h.easy == NULL || h.base == NULL) {
		r = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (http_common_options(h.easy, base) != CURLE_OK ||
	    curl_easy_setopt(h.easy, CURLOPT_URL, base) != CURLE_OK) {
		r = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	curl_easy_setopt(h.easy, CURLOPT_ERRORBUFFER, h.error);
	curl_easy_setopt(h.easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(h.easy, CURLOPT_CERTINFO, 1L);
	/* Only the chain is wanted; the caller compares its fingerprint. */
	curl_easy_setopt(h.easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(h.easy, CURLOPT_SSL_VERIFYHOST, 0L);
	code = curl_easy_perform(h.easy);
	r = code != CURLE_OK ? http_error(&h, code, e)
			     : http_last_cert(h.easy, out, e);
out:
	if (h.easy != NULL)
		curl_easy_cleanup(h.easy);
	free(h.base);
	return r;
}

int
http_escape(struct buf *out, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *s != '\0'; s++) {
		if (strchr(plain, *s) != NULL)
			buf_add_u8(out, (uint8_t)*s);
		else
			buf_add_fmt(out, "%%%02X", (unsigned char)*s);
	}
	return out->error;
}
