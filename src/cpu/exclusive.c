/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/exclusive.h"

void vcpu_guest_enter(struct vcpu *c)
{
    struct vm *vm = c->vm;

    pthread_mutex_lock(&vm->exclusive_lock);
    while (vm->exclusive_pending)
        pthread_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    vm->running++;
    pthread_mutex_unlock(&vm->exclusive_lock);
}

void vcpu_guest_leave(struct vcpu *c)
{
    struct vm *vm = c->vm;

    pthread_mutex_lock(&vm->exclusive_lock);
    vm->running--;
    pthread_cond_broadcast(&vm->exclusive_cond);
    pthread_mutex_unlock(&vm->exclusive_lock);
}

void vcpu_guest_pause(struct vcpu *c)
{
    vcpu_guest_leave(c);
    vcpu_guest_enter(c);
}

void exclusive_begin(struct vcpu *c)
{
    struct vm *vm = c->vm;

    pthread_mutex_lock(&vm->exclusive_lock);
    vm->running--; /* waiting counts as outside, or two CPUs that want the world would wait forever
                    */
    pthread_cond_broadcast(&vm->exclusive_cond);
    while (vm->exclusive_pending)
        pthread_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    vm->exclusive_pending = 1;
    c->exclusive = true;
    for (unsigned n = 0; n < vm->ncpus; n++)
        if (vm->cpu[n] && vm->cpu[n] != c)
            vcpu_request(vm->cpu[n], REQ_EXCLUSIVE);
    while (vm->running)
        pthread_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    pthread_mutex_unlock(&vm->exclusive_lock);
}

void exclusive_end(struct vcpu *c)
{
    struct vm *vm = c->vm;

    pthread_mutex_lock(&vm->exclusive_lock);
    vm->exclusive_pending = 0;
    c->exclusive = false;
    vm->running++;
    pthread_cond_broadcast(&vm->exclusive_cond);
    pthread_mutex_unlock(&vm->exclusive_lock);
}
