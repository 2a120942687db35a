/* The least that opening a file through seccomp user notification can cost: a broker that judges nothing.
 *
 *   floor COMMAND...     runs it, without any box, and opens for it what it opens for reading by openat(2)
 *
 * It reads the path, opens it, and hands it over; it looks for the next call for a moment before it sleeps, as the real
 * one does. What it takes is what no broker of this kind can save. seccomp_unotify(2).
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYNC_WAKE_UP 1ul
#define SET_FLAGS _IOW('!', 4, uint64_t)
#define AWAKE 40000 /* nanoseconds */

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* Every openat(2) that neither writes nor makes anything, nor opens a folder, is to be answered. */
static int listen_to_opens(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_DIRECTORY | O_ACCMODE | O_CREAT, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void answer(int listener, const struct seccomp_notif *call)
{
    char path[256];
    struct iovec here = {path, sizeof path}, there = {(void *)call->data.args[1], sizeof path};
    struct seccomp_notif_resp error = {.id = call->id};
    int flags = call->data.args[2];
    int fd = -1;
    /* A path at the end of its page is cut off and not read: the kernel opens it. */
    if (process_vm_readv(call->pid, &here, 1, &there, 1, 0) < 0)
        error.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if ((fd = openat(AT_FDCWD, path, flags | O_NOCTTY)) < 0)
        error.error = -errno;
    if (fd < 0) {
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &error);
        return;
    }
    struct seccomp_notif_addfd given = {
        .id = call->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = fd,
        .newfd_flags = flags & O_CLOEXEC,
    };
    ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &given);
    close(fd);
}

int main(int count, char **words)
{
    if (count < 2)
        errx(2, "usage: floor COMMAND...");
    volatile int *number = mmap(NULL, sizeof *number, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int taken[2];
    if (number == MAP_FAILED || pipe2(taken, O_CLOEXEC) < 0)
        err(1, "set-up");
    *number = -1;
    pid_t child = fork();
    if (child == 0) {
        int listener = listen_to_opens();
        if (listener < 0)
            err(1, "seccomp");
        fcntl(listener, F_SETFD, FD_CLOEXEC);
        *number = listener;
        /* Until the parent has it. */
        char byte;
        close(taken[1]);
        (void)!read(taken[0], &byte, 1);
        execvp(words[1], words + 1);
        err(127, "%s", words[1]);
    }
    while (*number < 0)
        if (waitpid(child, NULL, WNOHANG) == child)
            return 1;
    int listener = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, child, 0), *number, 0);
    if (listener < 0)
        err(1, "pidfd_getfd");
    ioctl(listener, SET_FLAGS, SYNC_WAKE_UP);
    close(taken[1]);

    for (;;) {
        struct seccomp_notif call = {0};
        struct pollfd next = {listener, POLLIN, 0};
        for (long since = now(); poll(&next, 1, 0) == 0 && now() - since < AWAKE;)
            ;
        if (next.revents & POLLHUP)
            break;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0)
            answer(listener, &call);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
