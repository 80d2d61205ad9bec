/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An HTTPS client for one server, over libcurl: TLS 1.3, one pinned CA and no
 * other, no redirects. Requests block; answers are collected (bounded) or
 * handed on as they come. Used by the investigator's programs and enrolment
 * tools, never by a running agent.
 */
#ifndef MIG_HTTP_HTTP_H
#define MIG_HTTP_HTTP_H

#include "base/buf.h"

struct err;
struct http;

#define HTTP_BODY_MAX (32u * 1024 * 1024) /* default limit of an answer */

struct http_options {
	const char *base;   /* "https://host:port", no path */
	const char *ca_pem; /* the only CA that is trusted */
	const char *user_agent;
	long connect_timeout_ms; /* 0: 10 s */
};

/* Part of a successful (2xx) answer's body. Non-zero ends the transfer with
 * that ERR_* code. */
typedef int http_on_data(const void *data, size_t len, void *arg);
/* Called about ten times a second while a request runs, and not once it has
 * ended. Non-zero ends it with that ERR_* code. */
typedef int http_on_tick(void *arg);

struct http_request {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *path;   /* "/api/v1/..." with query, already escaped */
	const char *token;  /* bearer token, or NULL */
	const void *body;   /* JSON, borrowed; NULL: none */
	size_t body_len;
	http_on_data *on_data; /* NULL: the body goes to the response */
	http_on_tick *on_tick; /* or NULL */
	void *arg;
	/* give up after so long without a byte in either direction, or, unless
	 * on_tick watches over what on_data gets, at a pace below 1000 bytes a
	 * second after it; 0: 60 s */
	long idle_ms;
};

struct http_response {
	int status;      /* 0 when there was no answer */
	struct buf body; /* initialised by http_do; bounded */
	/* which versions of the API it speaks (http/apiversion.h); newest 0: it
	 * does not say */
	unsigned int api_oldest, api_newest;
	unsigned int retry_after; /* seconds; 0: not said */
};

/* Refuses a base that is not https with a host. Owned by the caller. */
int http_new(const struct http_options *o, struct http **ret, struct err *e);
void http_free(struct http *h);

/* 0 when the server answered at all, whatever the status: look at it. The
 * response is initialised in every case; release it. */
int http_do(struct http *h, const struct http_request *r,
    struct http_response *ret, struct err *e);
void http_response_release(struct http_response *r);

/* Appends the CA certificate (PEM) that the server's chain ends in. Nothing is
 * sent and nothing is verified: compare its fingerprint with a pinned one or
 * ask a person before using it. */
int http_fetch_ca(const char *base, struct buf *out, struct err *e);

/* Appends s percent-encoded for a query or path segment (RFC 3986 2.3). */
int http_escape(struct buf *out, const char *s);

#endif
