/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debian's gcc, from the start of the driver to the object file: the compiler and the assembler.
 * The source, 5,000 lines, lies beside this program. An operation is a compilation. A small source
 * is compiled first, so that the programs are in memory.
 */
#include "work.h"

#include <sys/wait.h>
#include <unistd.h>

static void compile(const char *source)
{
    int status;
    pid_t child = fork();
    if (child < 0)
        work_fail("fork");
    if (child == 0) {
        execlp("gcc", "gcc", "-O1", "-nostdinc", "-I.", "-c", source, "-o", "/tmp/bench-compiled.o",
               (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        work_fail("gcc");
}

static void prepare(void)
{
    compile("small.c");
}

static void run(void)
{
    compile("source.c");
}

int main(void)
{
    static const struct work works[] = {{"compile", run, 1, prepare, NULL}};
    work_measure(works, COUNT_OF(works));
    return 0;
}
