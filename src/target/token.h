/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The words of a target. What is not one of these tokens (comments, ';',
 * parameters, blobs, arithmetic, back quotes, brackets ...) is an error: the
 * condition that reaches SQLite is written anew from tokens.
 */
#ifndef MIG_TARGET_TOKEN_H
#define MIG_TARGET_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum target_kind {
	TARGET_END,
	TARGET_WORD,   /* letters, digits, underscores */
	TARGET_QUOTED, /* "name" */
	TARGET_STRING, /* 'text' */
	TARGET_NUMBER, /* digits, or digits.digits */
	TARGET_OPEN,   /* ( */
	TARGET_CLOSE,  /* ) */
	TARGET_COMMA,
	TARGET_MINUS,
	TARGET_OPERATOR, /* = == <> != < > <= >= || -> ->> */
};

struct target_token {
	enum target_kind kind;
	const char *text; /* borrowed from the condition, quotes included */
	size_t len;
};

/* Reads the token at *at and moves *at behind it. text is the whole
 * condition, for the position in messages. */
int target_token_next(
    const char *text, const char **at, struct target_token *ret, struct err *e);
/* ASCII case does not matter. */
bool target_token_is(const struct target_token *t, const char *word);
/* The place of a token for messages: characters from 1. */
size_t target_token_column(const char *text, const char *at);

#endif
