/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The word that a person probably meant. */
#pragma once
#include "base/base.h"

/* The candidate nearest to `word`, NULL if none is near. `name` returns the n-th candidate, NULL
   past the last. */
const char *suggest_nearest(const char *word, const char *(*name)(size_t n));
