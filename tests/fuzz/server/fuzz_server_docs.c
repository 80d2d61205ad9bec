/* SPDX-License-Identifier: MPL-2.0 */
/* The documents of logins and enrolments: core and ca read them from anyone
 * who reaches the API. */
#include "server/parse.h"

#include "base/err.h"
#include "server/messages.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login_doc login;
	struct enrol_doc enrol;
	struct err e;

	if (login_doc_parse(data, size, &login, &e) == 0)
		BUG_ON(
		    memchr(login.server, '\0', sizeof(login.server)) == NULL ||
		    size > LOGIN_DOC_MAX);
	if (enrol_doc_parse(data, size, &enrol, &e) == 0)
		BUG_ON(enrol.name[0] == '\0' ||
		    memchr(enrol.name, '\0', sizeof(enrol.name)) == NULL ||
		    strpbrk(enrol.name, "\n\r\x1b") != NULL ||
		    enrol.spki_len > SPKI_MAX || size > ENROL_DOC_MAX);
	return (0);
}
