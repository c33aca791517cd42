/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs inside the guest as /test: what an ordinary program asks of kernel and CPU. One line for
 * each check, "PASS name" or "FAIL name: why", and at the end "DONE n passed, n failed".
 * Statically linked, so that the C library's own choice of vector code is exercised as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS  20000

static unsigned passed, failed;

static void __attribute__((format(printf, 3, 4)))
result(const char *name, bool ok, const char *why, ...)
{
    va_list ap;

    if (ok) {
        printf("PASS %s\n", name);
        passed++;
        return;
    }
    printf("FAIL %s: ", name);
    va_start(ap, why);
    vprintf(why, ap);
    va_end(ap);
    putchar('\n');
    failed++;
}

/* Processes. */

static void test_fork(void)
{
    volatile int cell = 1; /* copied on write */
    int bad = 0, status;

    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (!child) {
            cell = i;
            _exit(cell == i ? i : 255);
        }
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != i)
            bad++;
    }
    result("fork", !bad && cell == 1, "%d of 50 children went wrong, cell is %d", bad, cell);
}

static void test_exec(void)
{
    int fds[2], status;
    char buf[64] = "";
    ssize_t n;
    pid_t child;

    if (pipe(fds) < 0 || (child = fork()) < 0) {
        result("exec", false, "%s", strerror(errno));
        return;
    }
    if (!child) {
        dup2(fds[1], 1);
        execl("/bin/echo", "echo", "one", "two", (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    n = read(fds[0], buf, sizeof(buf) - 1);
    close(fds[0]);
    waitpid(child, &status, 0);
    result("exec", n == 8 && !strcmp(buf, "one two\n") && status == 0, "got '%s', status %x", buf,
           status);
}

/* Signals. */

static volatile sig_atomic_t caught, on_alternate;
static volatile uintptr_t fault_address;
static char alternate[65536];
static sigjmp_buf back;

static void on_usr1(int sig, siginfo_t *info, void *context)
{
    char here;

    caught += info->si_value.sival_int;
    on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}

static void catch (int sig, void (*fn)(int, siginfo_t *, void *))
{
    struct sigaction act = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigaction(sig, &act, NULL);
}

static void test_signals(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
    double before = 1.0 / 3;

    sigaltstack(&stack, NULL);
    catch (SIGUSR1, on_usr1);
    for (int i = 0; i < 100; i++)
        sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 3});
    result("signal", caught == 300 && on_alternate && before == 1.0 / 3,
           "sum %d, alternate stack %d", (int)caught, (int)on_alternate);
}

static void test_fault(void)
{
    volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile int reached = 0;

    catch (SIGSEGV, on_segv);
    if (!sigsetjmp(back, 1)) {
        page[123] = 1;
        reached = 1;
    }
    result("write fault", !reached && fault_address == (uintptr_t)(page + 123), "at %lx, not %lx",
           (unsigned long)fault_address, (unsigned long)(uintptr_t)(page + 123));
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
    page[123] = 1;
    result("mprotect", page[123] == 1 && page[124] == 0, "the page reads %d", page[123]);
    munmap((void *)page, 4096);
}

static void on_fpe(int sig, siginfo_t *info, void *context)
{
    caught = info->si_code;
    siglongjmp(back, 1);
}

static void test_divide(void)
{
    volatile int one = 1, zero = 0, reached = 0;

    catch (SIGFPE, on_fpe);
    caught = 0;
    if (!sigsetjmp(back, 1))
        reached = one / zero + 1;
    result("division by zero", !reached && caught == FPE_INTDIV, "code %d", (int)caught);
}

static void test_timer(void)
{
    struct itimerval period = {.it_value.tv_usec = 10000, .it_interval.tv_usec = 10000};
    struct itimerval off = {.it_value.tv_usec = 0};
    sigset_t set;
    int got, n = 0;
    struct timespec t0, t1;
    double took;

    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    setitimer(ITIMER_REAL, &period, NULL);
    while (n < 20 && sigwait(&set, &got) == 0)
        n++;
    clock_gettime(CLOCK_MONOTONIC, &t1);
    setitimer(ITIMER_REAL, &off, NULL);
    took = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
    result("interval timer", took >= 0.19 && took < 5, "20 periods of 10 ms took %.3f s", took);
}

/* Arithmetic. The values were worked out with exact integers. */

static void test_floating_point(void)
{
    volatile double third = 1.0 / 3, tenth = 0.1;
    volatile long double x = 1.0L;
    volatile float f = 16777216.0f;
    double sum = 0;
    uint64_t bits;

    for (int i = 0; i < 1000; i++)
        sum += tenth;
    memcpy(&bits, &sum, sizeof(bits));
    result("sum of doubles", bits == 0x4058ffffffffff9d, "%016llx", (unsigned long long)bits);
    bits = 0;
    {
        double d = third;
        memcpy(&bits, &d, sizeof(bits));
    }
    result("division", bits == 0x3fd5555555555555, "%016llx", (unsigned long long)bits);
    for (int i = 0; i < 63; i++)
        x /= 2;
    result("long double", 1.0L + x != 1.0L && 1.0L + x / 2 == 1.0L, "63 halvings are %Lg", x);
    result("float", f + 1.0f == f && f + 2.0f != f, "%f", (double)(f + 1.0f));
    result("square root", sqrt(2.0) * sqrt(2.0) != 2.0 && fabs(sqrt(2.0) - 1.4142135623730951) == 0,
           "%.17g", sqrt(2.0));
    result("formatting", snprintf(NULL, 0, "%.20f", 0.1) == 22, "0.1 is %.20f", 0.1);
}

static void test_integers(void)
{
    volatile uint64_t a = 0xfedcba9876543210, b = 0x123456789abcdef;
    unsigned __int128 p = (unsigned __int128)a * b;

    result("128-bit product",
           (uint64_t)p == 0x2236d88fe5618cf0 && (uint64_t)(p >> 64) == 0x0121fa00ad77d742,
           "%016llx%016llx", (unsigned long long)(p >> 64), (unsigned long long)p);
    result("128-bit quotient", (uint64_t)(p / b) == a && p % b == 0, "%016llx",
           (unsigned long long)(p / b));
}

static void test_strings(void)
{
    char *a = malloc(70000), *b = malloc(70000);
    int bad = 0;

    for (size_t n = 1; n < 66000; n = n * 3 + 1) {
        memset(a, 'a', n);
        a[n] = '\0';
        memcpy(b, a, n + 1);
        bad += strlen(b) != n || strcmp(a, b) || memchr(b, '\0', n + 1) != b + n;
        b[n - 1] = 'b';
        bad += strcmp(a, b) >= 0;
        memmove(a + 1, a, n);
        bad += a[1] != 'a' || strlen(a) < n;
    }
    result("strings", !bad, "%d differences", bad);
    free(a);
    free(b);
}

/* Threads. */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static long plain;
static atomic_long shared;
static double doubles[THREADS];

static void *work(void *arg)
{
    long self = (long)(intptr_t)arg;
    double d = 0;

    pthread_barrier_wait(&barrier);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        plain++;
        pthread_mutex_unlock(&mutex);
        atomic_fetch_add(&shared, 1);
        d += 0.5 * (double)self; /* registers must survive the switches */
        if (i % 1000 == 0)
            sched_yield();
    }
    doubles[self] = d;
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    bool ok = true;

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ok = ok && doubles[i] == 0.5 * i * ROUNDS;
    }
    result("threads", plain == THREADS * ROUNDS && shared == THREADS * ROUNDS, "%ld and %ld of %d",
           plain, (long)shared, THREADS * ROUNDS);
    result("threads' registers", ok, "%g %g %g %g", doubles[0], doubles[1], doubles[2], doubles[3]);
}

static int count_cpuinfo(void)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[4096];
    int n = 0;

    while (f && fgets(line, sizeof(line), f))
        n += !strncmp(line, "processor", 9);
    if (f)
        fclose(f);
    return n;
}

/* On each CPU in turn; time must not go backwards between them. */
static void test_cpus(void)
{
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN), wrong = 0, backwards = 0;
    struct timespec now;
    int64_t last = 0;

    for (int i = 0; i < 40 * n; i++) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t)(i % n), &set);
        wrong += sched_setaffinity(0, sizeof(set), &set) < 0 || sched_getcpu() != i % n;
        clock_gettime(CLOCK_MONOTONIC, &now);
        backwards += now.tv_sec * 1000000000 + now.tv_nsec < last;
        last = now.tv_sec * 1000000000 + now.tv_nsec;
    }
    result("every CPU", !wrong, "%d of %d moves failed", wrong, 40 * n);
    result("one time", !backwards, "%d steps backwards", backwards);
    result("cpuinfo", count_cpuinfo() == n, "%d, but %d are online", count_cpuinfo(), n);
    printf("CPUS %d\n", n);
}

static void test_sleep(void)
{
    struct timespec t0, t1, nap = {.tv_nsec = 50000000};
    double took;

    clock_gettime(CLOCK_MONOTONIC, &t0);
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    took = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
    result("sleep", took >= 0.05 && took < 2, "50 ms took %.3f s", took);
}

/* For the host to measure the guest's clock by. */
static void two_seconds(void)
{
    struct timespec nap = {.tv_sec = 2};

    printf("CLOCK start\n");
    fflush(stdout);
    nanosleep(&nap, NULL);
    printf("CLOCK end\n");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_fork();
    test_exec();
    test_signals();
    test_fault();
    test_divide();
    test_timer();
    test_floating_point();
    test_integers();
    test_strings();
    test_threads();
    test_cpus();
    test_sleep();
    two_seconds();
    printf("DONE %u passed, %u failed\n", passed, failed);
    return failed != 0;
}
