/* SPDX-License-Identifier: MPL-2.0 */
/* Absolute paths as text: nothing here looks at a file system. */
#ifndef MIG_BASE_PATH_H
#define MIG_BASE_PATH_H

#include <stdbool.h>

/* Removes "//", "/./", "x/.." and a trailing slash in place; the path is
 * absolute. "/" stays. */
void path_clean(char *path);
/* Is it absolute, and as path_clean leaves it? */
bool path_is_clean(const char *path);
/* Is path dir itself or below it, component by component? Both are clean. */
bool path_below(const char *path, const char *dir);

#endif
