/* SPDX-License-Identifier: MPL-2.0 */
#include "client/pgp/gpgerror.h"

#include "base/err.h"

static const struct {
	gpgme_err_code_t gpg;
	int code;
	const char *text;
} gpg_errors[] = {
	{ GPG_ERR_CANCELED, ERR_DENIED, "the passphrase prompt was cancelled" },
	{ GPG_ERR_FULLY_CANCELED, ERR_DENIED,
	    "the passphrase prompt was cancelled" },
	{ GPG_ERR_BAD_PASSPHRASE, ERR_DENIED, "the passphrase is wrong" },
	{ GPG_ERR_NO_PASSPHRASE, ERR_DENIED, "no passphrase was given" },
	{ GPG_ERR_BAD_PIN, ERR_DENIED, "the card's PIN is wrong" },
	{ GPG_ERR_PIN_BLOCKED, ERR_DENIED, "the card's PIN is blocked" },
	{ GPG_ERR_NO_PIN_ENTRY, ERR_UNSUPPORTED,
	    "gpg-agent has no pinentry to ask for the passphrase (install "
	    "pinentry-curses, or set GPG_TTY=$(tty))" },
	{ GPG_ERR_PIN_ENTRY, ERR_UNSUPPORTED,
	    "pinentry failed (is GPG_TTY=$(tty) set?)" },
	{ GPG_ERR_NO_AGENT, ERR_IO, "gpg-agent does not answer" },
	{ GPG_ERR_AGENT, ERR_IO, "gpg-agent failed" },
	{ GPG_ERR_CARD_NOT_PRESENT, ERR_NOTFOUND,
	    "the smart card is not inserted" },
	{ GPG_ERR_CARD_REMOVED, ERR_NOTFOUND, "the smart card was removed" },
	{ GPG_ERR_NO_SECKEY, ERR_NOTFOUND,
	    "the secret key is not on this machine" },
	{ GPG_ERR_UNUSABLE_SECKEY, ERR_EXPIRED,
	    "the secret key cannot be used (expired, revoked or disabled)" },
	{ GPG_ERR_UNUSABLE_PUBKEY, ERR_EXPIRED,
	    "the public key cannot be used (expired, revoked or disabled)" },
	{ GPG_ERR_NO_PUBKEY, ERR_NOTFOUND, "no such key" },
	{ GPG_ERR_EOF, ERR_NOTFOUND,
	    "no such key in the local gpg keyring (is GNUPGHOME right? see: "
	    "gpg --list-secret-keys)" },
	{ GPG_ERR_AMBIGUOUS_NAME, ERR_INVALID, "several keys fit" },
	{ GPG_ERR_TIMEOUT, ERR_TIMEOUT, "the passphrase prompt timed out" },
	{ GPG_ERR_NO_DATA, ERR_INVALID, "not an OpenPGP message" },
	{ GPG_ERR_DECRYPT_FAILED, ERR_AUTH,
	    "cannot be decrypted (damaged, or for another key)" },
	{ GPG_ERR_INV_ENGINE, ERR_NOTFOUND, "gpg is not installed" },
	{ GPG_ERR_ENOMEM, ERR_NOMEM, "out of memory" },
};

int
gpg_fail(struct err *e, gpgme_error_t err, const char *what)
{
	gpgme_err_code_t code = gpgme_err_code(err);
	char text[128] = "";
	size_t i;

	for (i = 0; i < sizeof(gpg_errors) / sizeof(gpg_errors[0]); i++) {
		if (gpg_errors[i].gpg == code)
			return err_set(e, gpg_errors[i].code, "%s: %s", what,
			    gpg_errors[i].text);
	}
	gpgme_strerror_r(err, text, sizeof(text));
	return err_set(e, ERR_IO, "%s: gpg says: %s", what, text);
}
