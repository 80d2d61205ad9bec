/* SPDX-License-Identifier: MPL-2.0 */
/* Bodies of POST requests, as the api reads them, and the messages from the
 * api that the core takes apart. */
#include "server/parse.h"

#include "base/err.h"
#include "json/json.h"
#include "server/messages.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server_status status;
	struct person_body person;
	char calls[CALLS_TEXT_MAX];
	struct key_body key;
	enum person_role role;
	uint64_t same;
	struct target_body target;
	struct enrol_body enrol;
	struct token_body token;
	struct buf again;
	struct err e;
	struct rd rd;
	json_t *v;

	rd_init(&rd, data, size);
	if (server_status_read(&rd, &status) == 0) {
		buf_init(&again, 4096);
		server_status_write(&status, &again);
		BUG_ON(
		    again.len != size || memcmp(again.data, data, size) != 0);
		buf_release(&again);
	}
	if ((v = json_strict(data, size, 65536, &e)) == NULL)
		return (0);
	if (target_body_read(v, &target, &e) == 0)
		BUG_ON(strlen(target.target) > 4096);
	if (token_body_read(v, &token, &e) == 0)
		BUG_ON(token.uses < 1 || token.seconds < 1);
	if (person_body_read(v, &person, &e) == 0)
		BUG_ON(strlen(person.name) >= STORE_NAME_MAX ||
		    strlen(person.fpr) > STORE_FPR_HEX ||
		    person.keyring == NULL);
	if (role_body_read(v, &role, &e) == 0)
		BUG_ON(role < PERSON_READER || role > PERSON_ADMIN);
	if (key_body_read(v, &key, &e) == 0) {
		BUG_ON(!key_name_valid(key.name) || key.calls == 0);
		calls_text(key.calls, calls);
		BUG_ON(calls_parse(calls, &same, &e) != 0 || same != key.calls);
		BUG_ON(call_allowed(CALL_KEYS, 0, key.calls));
	}
	if (enrol_body_read(v, &enrol, &e) == 0)
		BUG_ON(strlen(enrol.document) > ENROL_DOC_MAX);
	json_decref(v);
	return (0);
}
