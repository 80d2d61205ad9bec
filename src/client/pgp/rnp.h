/* SPDX-License-Identifier: MPL-2.0 */
/* librnp, loaded when the first OpenPGP key or armour is to be read: most
 * commands need none, and loading it is a third of what their start costs. */
#ifndef MIG_CLIENT_PGP_RNP_H
#define MIG_CLIENT_PGP_RNP_H

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>

struct err;

#define RNP_FUNCTIONS(X)               \
	X(buffer_destroy)              \
	X(dearmor)                     \
	X(ffi_create)                  \
	X(ffi_destroy)                 \
	X(get_public_key_data)         \
	X(identifier_iterator_create)  \
	X(identifier_iterator_destroy) \
	X(identifier_iterator_next)    \
	X(import_keys)                 \
	X(input_destroy)               \
	X(input_from_memory)           \
	X(key_allows_usage)            \
	X(key_get_fprint)              \
	X(key_get_primary_uid)         \
	X(key_get_signature_at)        \
	X(key_get_signature_count)     \
	X(key_get_subkey_at)           \
	X(key_get_subkey_count)        \
	X(key_handle_destroy)          \
	X(key_is_expired)              \
	X(key_is_primary)              \
	X(key_is_revoked)              \
	X(key_is_valid)                \
	X(key_valid_till64)            \
	X(locate_key)                  \
	X(output_destroy)              \
	X(output_memory_get_buf)       \
	X(output_to_memory)            \
	X(result_to_string)            \
	X(set_timestamp)               \
	X(signature_get_creation)      \
	X(signature_get_type)          \
	X(signature_handle_destroy)    \
	X(signature_is_valid)          \
	X(signature_packet_to_json)

/* rnp.dearmor() is rnp_dearmor() and so on, once rnp_load() has returned 0. */
struct rnp {
#define SLOT(name) __typeof__(&rnp_##name) name;
	RNP_FUNCTIONS(SLOT)
#undef SLOT
};

extern struct rnp rnp;

/* Loads it, the first time. Where an allocation fails and it did not expect
 * that, an exception leaves it or it follows a null pointer, and the process
 * ends: until rnp_leave() with words about that and exit status 2. Not nested,
 * from one thread. */
int rnp_enter(struct err *e);
void rnp_leave(void);

#endif
