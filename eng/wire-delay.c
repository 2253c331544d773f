/* A wire that takes its time: two tap devices, and what one of them sends is received at the other a given time later.
 *
 *     cc -O2 -pthread -o wire-delay eng/wire-delay.c
 *     wire-delay DEVICE DEVICE NANOSECONDS
 *
 * For kernels without sch_netem; eng/two-hosts.sh makes and starts it. It delays alone: the rate is held by a tbf at each device, which also
 * bounds what is under way. Packets pass as large as TCP made them (up to 64 KiB, with virtio's header), so that a fast wire costs
 * tens of thousands of copies a second and not a million. A thread a direction: each reads what is there, and writes what is due.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKET = 65536 + 64, SLOTS = 1024 }; /* 64 MiB a direction, touched as far as a wire's delay fills it */

struct packet { long long due; ssize_t bytes; char data[PACKET]; };
struct direction { int from, to; long long delay; };

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "wire-delay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int tap(const char *name)
{
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device < 0) fail("/dev/net/tun");
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(device, TUNSETIFF, &request) < 0) fail(name);
    /* Our side takes whole TCP segments and sums unmade, so the kernel neither cuts nor sums: the bytes never leave the machine. */
    if (ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) fail("offload");
    return device;
}

static void *carry(void *argument)
{
    struct direction *wire = argument;
    struct packet *ring = malloc(SLOTS * sizeof *ring);
    if (!ring) fail("memory");
    prctl(PR_SET_TIMERSLACK, 1L); /* by default a sleep may take 50 us more */
    unsigned first = 0, last = 0; /* packets under way: first to last - 1, taken modulo SLOTS */
    for (;;) {
        while (first != last && ring[first % SLOTS].due <= now()) {
            struct packet *p = &ring[first++ % SLOTS];
            /* EIO: the device is down. A full receiver loses the packet, as a wire's would. */
            if (write(wire->to, p->data, p->bytes) < 0 && errno != EIO && errno != EAGAIN && errno != ENOBUFS) fail("write");
        }
        int room = last - first < SLOTS;
        if (room) {
            struct packet *p = &ring[last % SLOTS];
            p->bytes = read(wire->from, p->data, PACKET);
            if (p->bytes > 0) {
                p->due = now() + wire->delay;
                last++;
                continue;
            }
            if (p->bytes < 0 && errno != EAGAIN && errno != EIO && errno != EBADFD) fail("read");
        }
        long long left = first == last ? 100000000LL : ring[first % SLOTS].due - now();
        if (left <= 0) continue;
        struct timespec wait = { left / 1000000000LL, left % 1000000000LL };
        struct pollfd in = { wire->from, POLLIN, 0 };
        ppoll(&in, room, &wait, NULL);
    }
    return NULL;
}

int main(int count, char **words)
{
    if (count != 4) {
        fprintf(stderr, "usage: wire-delay DEVICE DEVICE NANOSECONDS\n");
        return 2;
    }
    int a = tap(words[1]), b = tap(words[2]);
    struct direction there = { a, b, atoll(words[3]) }, back = { b, a, atoll(words[3]) };
    pthread_t thread;
    if (pthread_create(&thread, NULL, carry, &there)) fail("thread");
    carry(&back);
    return 0;
}
