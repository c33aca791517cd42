/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floating point in doubles: matrices of 64 by 64, an operation being one multiplication and
 * addition; and the series of Leibniz for pi, an operation being a term.
 */
#include "work.h"

#include <stdio.h>
#include <stdlib.h>

#define SIDE  64
#define TERMS 20000

static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static void prepare_matrix(void)
{
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = 1.0 / (i + j + 1);
            b[i][j] = i == j ? 2.0 : 0.5 / (i + 1);
        }
    }
}

static void run_matrix(void)
{
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++)
            c[i][j] = 0;
        for (int k = 0; k < SIDE; k++)
            for (int j = 0; j < SIDE; j++)
                c[i][j] += a[i][k] * b[k][j];
    }
    work_used(c);
}

static void run_pi(void)
{
    double sum = 0, sign = 4;
    for (int i = 0; i < TERMS; i++) {
        sum += sign / (2 * i + 1);
        sign = -sign;
    }
    work_used(&sum);
    if (sum < 3.1415 || sum > 3.1416) {
        fprintf(stderr, "float: pi is %.6f\n", sum);
        exit(1);
    }
}

int main(void)
{
    static const struct work works[] = {
        {"matrix", run_matrix, SIDE * SIDE * SIDE, prepare_matrix, NULL},
        {"pi", run_pi, TERMS, NULL, NULL},
    };
    work_measure(works, COUNT_OF(works));
    return 0;
}
