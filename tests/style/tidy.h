/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Read before every file by clang-tidy only (./dev lint): its analyzer looks
 * into one file at a time and must be told that these never return 0.
 */
#ifndef MIG_TESTS_STYLE_TIDY_H
#define MIG_TESTS_STYLE_TIDY_H

#include "base/err.h"

#define err_set(e, code, ...) (err_set((e), (code), __VA_ARGS__), (code))
#define err_errno(...) (err_errno(__VA_ARGS__), ERR_IO)
#define err_wrap(...) (err_wrap(__VA_ARGS__), ERR_INVALID)

#endif
