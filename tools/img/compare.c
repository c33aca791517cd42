/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img compare. */
#include "img.h"

#include <string.h>

int img_compare(struct img_args *a)
{
    struct block_node *x = NULL, *y = NULL;
    struct progress progress;
    u64 at = 0;
    int rc;

    if (a->argc != 2) {
        img_complain(a, "give two files");
        return 2;
    }
    rc = img_open(a, &x, a->argv[0], a->opt['f'], OPEN_READ_ONLY);
    if (!rc)
        rc = img_open(a, &y, a->argv[1], a->opt['F'], OPEN_READ_ONLY);
    if (rc) {
        node_close(x);
        return 2;
    }
    progress_start(&progress, a, max_u64(x->size, y->size));
    if (x->size != y->size && !a->opt['q'])
        printf(a->opt['s'] ? "Strict mode: Image size mismatch!\n"
                           : "Warning: Image size mismatch!\n");
    rc = a->opt['s'] && x->size != y->size ? 1 : compare_nodes(x, y, a->opt['s'], &at, &progress);
    if (rc < 0)
        img_complain(a, "cannot read at offset %llu: %s", (unsigned long long)at, strerror(-rc));
    else if (rc && x->size == y->size && !a->opt['q'])
        printf("Content mismatch at offset %llu!\n", (unsigned long long)at);
    else if (rc && !a->opt['s'] && !a->opt['q'])
        printf("Content mismatch at offset %llu!\n", (unsigned long long)at);
    else if (!rc && !a->opt['q'])
        printf("Images are identical.\n");
    node_close(x);
    node_close(y);
    return rc < 0 ? 3 : rc;
}
