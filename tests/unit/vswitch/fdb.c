/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of stations, queues and rates: bounds, shares, time. */
#include "vswitch/fdb.h"
#include "../test.h"
#include "vswitch/pace.h"
#include "vswitch/queue.h"

#define SECOND NSEC_PER_SEC

static void put_number(u8 mac[6], u32 n)
{
    memcpy(mac, (u8[]){2, 0, (u8)(n >> 24), (u8)(n >> 16), (u8)(n >> 8), (u8)n}, 6);
}

static enum fdb_result learn(struct fdb *t, u32 n, unsigned port, unsigned max, u64 now)
{
    u8 mac[6];

    put_number(mac, n);
    return fdb_learn(t, mac, 1, port, max, now);
}

static int find(struct fdb *t, u32 n, u16 vlan, u64 now)
{
    u8 mac[6];

    put_number(mac, n);
    return fdb_find(t, mac, vlan, now);
}

static void learning(void)
{
    struct fdb *t;

    CHECK(!fdb_new(&t));
    CHECK_EQ(find(t, 1, 1, 0), -1);
    CHECK_EQ(learn(t, 1, 3, 10, 0), FDB_NEW);
    CHECK_EQ(learn(t, 1, 3, 10, 5), FDB_KNOWN);
    CHECK_EQ(find(t, 1, 1, 6), 3);
    CHECK_EQ(find(t, 1, 2, 6), -1); /* another VLAN's */
    fdb_set_aging(t, 10 * SECOND);
    CHECK_EQ(learn(t, 1, 4, 10, 9 * SECOND), FDB_TAKEN);
    CHECK_EQ(find(t, 1, 1, 9 * SECOND), 3);
    CHECK_EQ(find(t, 1, 1, 10 * SECOND + 5), -1);
    CHECK_EQ(learn(t, 1, 4, 10, 10 * SECOND + 5), FDB_KNOWN);
    CHECK_EQ(find(t, 1, 1, 10 * SECOND + 5), 4);
    fdb_set_moves(t, true);
    CHECK_EQ(learn(t, 1, 5, 10, 10 * SECOND + 6), FDB_KNOWN);
    CHECK_EQ(find(t, 1, 1, 10 * SECOND + 6), 5);
    fdb_flush(t, 4);
    CHECK_EQ(find(t, 1, 1, 10 * SECOND + 6), 5);
    fdb_flush(t, 5);
    CHECK_EQ(find(t, 1, 1, 10 * SECOND + 6), -1);
    fdb_free(t);
}

static unsigned count(const struct fdb *t)
{
    struct fdb_entry e;
    unsigned at = 0, n = 0;

    while (fdb_next(t, &at, &e))
        n++;
    return n;
}

/* A port that floods with addresses fills its share only. */
static void bounds(void)
{
    struct fdb *t;
    struct fdb_entry e;
    unsigned at = 0;

    CHECK(!fdb_new(&t));
    CHECK_EQ(learn(t, 7, 1, 64, 0), FDB_NEW);
    for (u32 n = 1000; n < 20000; n++)
        CHECK_EQ(learn(t, n, 2, 64, SECOND), n < 1064 ? FDB_NEW : FDB_FULL);
    CHECK_EQ(count(t), 65);
    CHECK_EQ(find(t, 7, 1, SECOND), 1);
    CHECK_EQ(learn(t, 8, 1, 64, SECOND), FDB_NEW);
    fdb_age(t, 300 * SECOND); /* only station 7 was last seen at 0 */
    CHECK_EQ(count(t), 65);
    fdb_age(t, 301 * SECOND);
    CHECK_EQ(count(t), 0);
    for (u32 n = 0; n < 2 * FDB_ENTRIES; n++)
        CHECK_EQ(learn(t, n, n % 4, FDB_ENTRIES, 0), n < FDB_ENTRIES ? FDB_NEW : FDB_FULL);
    CHECK_EQ(count(t), FDB_ENTRIES);
    CHECK(fdb_next(t, &at, &e) && e.mac[0] == 2 && e.vlan == 1);
    fdb_flush(t, -1);
    CHECK_EQ(count(t), 0);
    fdb_free(t);
}

static unsigned fill(struct queue *q, unsigned from, unsigned n, size_t len)
{
    unsigned in = 0;

    for (; n; n--) {
        struct queue_frame *f = queue_room(q, from, len);
        if (!f)
            continue;
        f->len = len;
        memset(f->data, (int)from, len);
        queue_push(q, f);
        in++;
    }
    return in;
}

/* Whoever floods has half of a queue, and others find room. */
static void shares(void)
{
    struct queue q;
    unsigned order = 0;

    queue_init(&q);
    CHECK(fill(&q, 1, 100000, 60) < QUEUE_BYTES / 2 / 60);
    CHECK(q.share[1] > QUEUE_BYTES * 4 / 10 && q.share[1] < QUEUE_BYTES / 2 + 200);
    CHECK_EQ(fill(&q, 2, 100, 1514), 100);
    CHECK(fill(&q, 3, 1000, 65535) >= 2);
    CHECK(q.bytes <= QUEUE_BYTES);
    for (; q.head; queue_pop(&q)) {
        CHECK(q.head->from >= order);
        order = q.head->from;
    }
    CHECK_EQ(order, 3);
    CHECK_EQ(q.bytes, 0);
    CHECK_EQ(q.share[1] + q.share[2] + q.share[3], 0);
    CHECK_EQ(fill(&q, 1, 3, 100), 3);
    queue_clear(&q);
    CHECK(!q.head && !q.bytes && q.tail == &q.head);
}

static void rates(void)
{
    struct pace p = {.rate = 1000000, .burst = SECOND / 100};
    u64 now = 5 * SECOND, sent = 0, wait;

    CHECK_EQ(pace_wait(&(struct pace){.rate = 0}, now), 0);
    while (now < 15 * SECOND) {
        while (!(wait = pace_wait(&p, now))) {
            pace_use(&p, now, 12000);
            sent += 12000;
        }
        now += wait;
    }
    CHECK(sent > 9900000 && sent < 10100000);
}

int main(void)
{
    TEST_RUN(learning);
    TEST_RUN(bounds);
    TEST_RUN(shares);
    TEST_RUN(rates);
    return test_result();
}
