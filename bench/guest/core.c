/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What small controllers do, in one loop: a linked list is reversed, sorted and searched, small
 * integer matrices are multiplied, a state machine tells numbers from other words, and a CRC takes
 * in all results. An operation is one turn of that loop.
 */
#include "work.h"

#include <stdbool.h>
#include <string.h>

#define NODES 64
#define SIDE  12

struct node {
    struct node *next;
    int16_t key;
    int16_t payload;
};

enum state { START, SIGN, DIGITS, FRACTION, EXPONENT, OTHER, STATES };

static struct {
    struct node nodes[NODES];
    struct node *list;
    int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    int32_t c[SIDE][SIDE];
    uint32_t turn;
    uint16_t crc;
} core;

static const char words[] = "12,-7,3.25,+0.5e3,abc,9e2,.5,--1,42,1e,6.02e23,x86,0,-,99999,3.,7,";

/* CRC-16 of CCITT, bit by bit. */
static uint16_t crc16(uint16_t crc, uint32_t value)
{
    for (int i = 0; i < 32; i++) {
        bool feedback = ((crc >> 15) ^ (value >> 31)) & 1;
        crc = (uint16_t)(crc << 1);
        value <<= 1;
        if (feedback)
            crc ^= 0x1021;
    }
    return crc;
}

static struct node *reverse(struct node *list)
{
    struct node *done = NULL;
    while (list) {
        struct node *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node *head = NULL, **tail = &head;
    while (a && b) {
        struct node **least = a->key <= b->key ? &a : &b;
        *tail = *least;
        tail = &(*tail)->next;
        *least = *tail;
    }
    *tail = a ? a : b;
    return head;
}

static struct node *sort(struct node *list)
{
    struct node *middle = list, *end = list;
    if (!list || !list->next)
        return list;
    while (end->next && end->next->next) {
        middle = middle->next;
        end = end->next->next;
    }
    struct node *second = middle->next;
    middle->next = NULL;
    return merge(sort(list), sort(second));
}

static const struct node *find(const struct node *list, int16_t key)
{
    while (list && list->key != key)
        list = list->next;
    return list;
}

static uint32_t run_list(uint32_t seed)
{
    uint32_t sum = 0;
    for (struct node *n = core.list; n; n = n->next) {
        seed = work_next(seed);
        n->key = (int16_t)(seed >> 24);
    }
    core.list = sort(reverse(core.list));
    for (int16_t key = 0; key < 64; key++) {
        const struct node *n = find(core.list, key);
        if (n)
            sum += (uint16_t)n->payload;
    }
    return sum;
}

static void multiply(void)
{
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += core.a[i][k] * core.b[k][j];
            core.c[i][j] = sum;
        }
    }
}

static uint32_t run_matrix(int16_t seed)
{
    uint32_t sum = 0;
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            core.a[i][j] = (int16_t)(seed + i * j);
            core.b[i][j] = (int16_t)(seed ^ (i - j));
        }
    }
    multiply();
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            sum = (sum << 1 | sum >> 31) + (uint32_t)(core.c[i][j] >> 2);
    return sum;
}

static enum state after(enum state s, char c)
{
    bool digit = c >= '0' && c <= '9', sign = c == '+' || c == '-';
    switch (s) {
    case START:
        return digit ? DIGITS : sign ? SIGN : c == '.' ? FRACTION : OTHER;
    case SIGN:
        return digit ? DIGITS : c == '.' ? FRACTION : OTHER;
    case DIGITS:
        return digit ? DIGITS : c == '.' ? FRACTION : c == 'e' ? EXPONENT : OTHER;
    case FRACTION:
        return digit ? FRACTION : c == 'e' ? EXPONENT : OTHER;
    case EXPONENT:
        return digit || sign ? EXPONENT : OTHER;
    default:
        return OTHER;
    }
}

static uint32_t run_states(uint32_t seed)
{
    uint32_t count[STATES] = {0}, sum = 0;
    enum state s = START;
    for (size_t i = 0; i < sizeof(words) - 1; i++) {
        char c = words[i];
        if (c == ',') {
            count[s]++;
            s = START;
        } else {
            /* Some characters change from turn to turn, so that no branch is always the same. */
            s = after(s, (seed >> (i & 31)) & 1 && c > '0' ? (char)(c - 1) : c);
        }
    }
    for (int i = 0; i < STATES; i++)
        sum = sum * 31 + count[i];
    return sum;
}

static void prepare(void)
{
    memset(&core, 0, sizeof(core));
    for (int i = 0; i < NODES; i++) {
        core.nodes[i].payload = (int16_t)i;
        core.nodes[i].next = core.list;
        core.list = &core.nodes[i];
    }
}

static void run(void)
{
    uint32_t seed = work_next(++core.turn);
    core.crc = crc16(core.crc, run_list(seed));
    core.crc = crc16(core.crc, run_matrix((int16_t)(seed >> 20)));
    core.crc = crc16(core.crc, run_states(seed));
    work_used(&core);
}

int main(void)
{
    static const struct work works[] = {{"core", run, 1, prepare, NULL}};
    work_measure(works, COUNT_OF(works));
    return 0;
}
