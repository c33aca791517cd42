/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host offers a virtual machine monitor, found out by trying. */
#pragma once
#include "base/base.h"

enum host_answer { HOST_NO, HOST_PARTLY, HOST_YES };

struct host_probe {
    const char *key;  /* in the JSON output */
    const char *what; /* for people */
    const char *use;  /* what Domus does with it */
    /* Fills `detail`, one line without a full stop. */
    enum host_answer (*ask)(char *detail, size_t size);
};

/* NULL past the last. */
const struct host_probe *host_probe(size_t n);
