/* tests/campaigns/failing_calls.c: runs a program under a supervisor of its file calls: one of them fails, or all that
 * write are recorded.
 *
 *   failing_calls [--fail N] [--report FILE] [--record FILE --folder FOLDER] -- PROGRAM ARGUMENT...
 *
 * Calls are seen where the kernel gets them (seccomp with user notification), so those of every library are; counting
 * begins when the program installs its handler of SIGUSR1, that is with its main function. The N-th call is not made,
 * and gives the program the error that fits it. The report holds "calls N" and what the failed one was. Ends with the
 * program's status.
 *
 * A recording (for power_loss.py) has one line for each call that changes something under FOLDER, the program's working
 * directory: "open NAME EXISTS TRUNCATES", "write INODE NAME OFFSET HEX", "truncate INODE NAME SIZE",
 * "sync INODE NAME", "syncdir NAME", "rename NAME NAME", "unlink NAME".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The calls that are counted, and what each fails with. */
static const struct call {
    int number, error;
    const char *name;
} CALLS[] = {
    {SYS_open, EMFILE, "open"},        {SYS_openat, EMFILE, "openat"}, {SYS_read, EIO, "read"},
    {SYS_pread64, EIO, "pread"},       {SYS_write, ENOSPC, "write"},   {SYS_writev, ENOSPC, "writev"},
    {SYS_pwrite64, ENOSPC, "pwrite"},  {SYS_fsync, EIO, "fsync"},      {SYS_fdatasync, EIO, "fdatasync"},
    {SYS_ftruncate, EIO, "ftruncate"}, {SYS_rename, EACCES, "rename"}, {SYS_mkdir, EACCES, "mkdir"},
    {SYS_flock, ENOLCK, "flock"},      {SYS_close, EIO, "close"},      {SYS_lseek, EIO, "lseek"},
    {SYS_newfstatat, EACCES, "stat"},  {SYS_access, EACCES, "access"}, {SYS_readlink, EIO, "readlink"},
    {SYS_getdents64, EIO, "getdents"}, {SYS_mmap, ENOMEM, "mmap"},     {SYS_clone3, EAGAIN, "clone"},
};
enum { CALL_COUNT = sizeof CALLS / sizeof *CALLS };

typedef struct supervisor {
    int listener;
    unsigned long fail_at, calls;
    const char *report_path, *folder;
    FILE *record;
    bool counting;
    char failed[64];
} supervisor;

/* ---- the program's side ------------------------------------------------------------------------------------------ */

static int install_filter(void)
{
    struct sock_filter code[CALL_COUNT * 2 + 8];
    size_t used = 0;
    code[used++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALL_COUNT; i++) {
        code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)CALLS[i].number, 0, 1);
        code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigaction, 0, 1);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unlink, 0, 1);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = (unsigned short)used, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* A file descriptor as the ancillary data of a message. */
typedef union ancillary {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
} ancillary;

static void run_program(int socket, char **words)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte = 0;
    struct iovec part = {&byte, 1};
    ancillary control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
    int listener = install_filter();
    memcpy(CMSG_DATA(&control.head), &listener, sizeof listener);
    if (listener < 0 || sendmsg(socket, &message, 0) != 1)
        _exit(126);
    execvp(words[0], words);
    _exit(127);
}

static int receive_listener(int socket)
{
    char byte;
    struct iovec part = {&byte, 1};
    ancillary control = {0};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
    int listener = -1;
    if (recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
        memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof listener);
    return listener;
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static bool read_memory(pid_t process, uint64_t address, void *bytes, size_t size)
{
    struct iovec here = {bytes, size}, there = {(void *)(uintptr_t)address, size};
    return process_vm_readv(process, &here, 1, &there, 1, 0) == (ssize_t)size;
}

static void read_text(pid_t process, uint64_t address, char *text, size_t capacity)
{
    size_t used = 0;
    while (used + 1 < capacity && read_memory(process, address + used, text + used, 1) && text[used])
        used++;
    text[used] = '\0';
}

/* The part of an absolute or relative path under the folder (the program's working directory); NULL: elsewhere. */
static const char *under(const supervisor *own, const char *path)
{
    size_t length = strlen(own->folder);
    if (path[0] != '/')
        return strcmp(path, ".") == 0 ? "" : path;
    if (strncmp(path, own->folder, length) != 0 || (path[length] != '/' && path[length] != '\0'))
        return NULL;
    return path[length] ? path + length + 1 : "";
}

/* The path and inode behind a descriptor of the program; false: not under the folder. */
static bool find_file(const supervisor *own, pid_t process, int descriptor, char *name, size_t capacity,
                      struct stat *found)
{
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)process, descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    const char *inside = path[0] == '/' ? under(own, path) : NULL;
    if (!inside || stat(link, found) != 0)
        return false;
    snprintf(name, capacity, "%s", inside);
    return true;
}

static long long offset_of(pid_t process, int descriptor)
{
    char path[64];
    long long offset = 0;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)process, descriptor);
    FILE *info = fopen(path, "r");
    if (info && fscanf(info, "pos: %lld", &offset) != 1)
        offset = 0;
    if (info)
        fclose(info);
    return offset;
}

static void record_write(const supervisor *own, const struct seccomp_notif *call)
{
    const uint64_t *values = (const uint64_t *)call->data.args;
    bool placed = call->data.nr == SYS_pwrite64;
    long long offset = placed ? (long long)values[3] : offset_of((pid_t)call->pid, (int)values[0]);
    fprintf(own->record, " %lld ", offset);
    for (uint64_t at = 0; at < values[2];) {
        unsigned char bytes[4096];
        size_t size = values[2] - at < sizeof bytes ? (size_t)(values[2] - at) : sizeof bytes;
        if (!read_memory((pid_t)call->pid, values[1] + at, bytes, size))
            break;
        for (size_t i = 0; i < size; i++)
            fprintf(own->record, "%02x", bytes[i]);
        at += size;
    }
    fputc('\n', own->record);
}

static void record_open(const supervisor *own, const struct seccomp_notif *call, const char *path)
{
    const uint64_t *values = (const uint64_t *)call->data.args;
    const char *inside = under(own, path);
    if (inside && (values[2] & (O_CREAT | O_TRUNC)) && (values[2] & O_ACCMODE) != O_RDONLY)
        fprintf(own->record, "open %s %d %d\n", inside, access(path, F_OK) == 0, (values[2] & O_TRUNC) != 0);
}

/* Calls that change what a descriptor names. */
static void record_file_call(const supervisor *own, const struct seccomp_notif *call)
{
    int number = call->data.nr;
    bool writes = number == SYS_write || number == SYS_pwrite64;
    bool syncs = number == SYS_fsync || number == SYS_fdatasync;
    char name[1024];
    struct stat found;
    if (!writes && !syncs && number != SYS_ftruncate)
        return;
    if (!find_file(own, (pid_t)call->pid, (int)call->data.args[0], name, sizeof name, &found))
        return;
    if (S_ISDIR(found.st_mode)) {
        fprintf(own->record, "syncdir %s\n", name);
        return;
    }
    fprintf(own->record, "%s %lu %s",
            writes  ? "write"
            : syncs ? "sync"
                    : "truncate",
            (unsigned long)found.st_ino, name);
    if (writes)
        record_write(own, call);
    else if (syncs)
        fputc('\n', own->record);
    else
        fprintf(own->record, " %llu\n", (unsigned long long)call->data.args[1]);
}

/* What a call is about to change. */
static void record_call(const supervisor *own, const struct seccomp_notif *call)
{
    const uint64_t *values = (const uint64_t *)call->data.args;
    pid_t process = (pid_t)call->pid;
    char name[1024], other[1024];
    switch (call->data.nr) {
    case SYS_openat:
        read_text(process, values[1], name, sizeof name);
        record_open(own, call, name);
        break;
    case SYS_rename:
        read_text(process, values[0], name, sizeof name);
        read_text(process, values[1], other, sizeof other);
        if (under(own, name) && under(own, other))
            fprintf(own->record, "rename %s %s\n", under(own, name), under(own, other));
        break;
    case SYS_unlink:
        read_text(process, values[0], name, sizeof name);
        if (under(own, name))
            fprintf(own->record, "unlink %s\n", under(own, name));
        break;
    default:
        record_file_call(own, call);
        break;
    }
}

/* ---- the supervisor's side --------------------------------------------------------------------------------------- */

static const struct call *find_call(int number)
{
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (CALLS[i].number == number)
            return &CALLS[i];
    return NULL;
}

/* The error that a call is to fail with; 0: it is made. */
static int decide(supervisor *own, const struct seccomp_notif *call)
{
    if (call->data.nr == SYS_rt_sigaction && call->data.args[0] == SIGUSR1)
        own->counting = true;
    const struct call *counted = find_call(call->data.nr);
    if (own->counting && own->record)
        record_call(own, call);
    if (!own->counting || !counted || ++own->calls != own->fail_at)
        return 0;
    snprintf(own->failed, sizeof own->failed, "%s, argument %#llx", counted->name,
             (unsigned long long)call->data.args[0]);
    return counted->error;
}

static void supervise(supervisor *own)
{
    struct pollfd poll_one = {own->listener, POLLIN, 0};
    while (poll(&poll_one, 1, -1) > 0 && !(poll_one.revents & POLLHUP)) {
        struct seccomp_notif call = {0};
        if (ioctl(own->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
            continue; /* interrupted, or the caller is gone */
        struct seccomp_notif_resp answer = {.id = call.id};
        int error = decide(own, &call);
        answer.error = -error;
        answer.flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        (void)ioctl(own->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

static void write_report(const supervisor *own)
{
    FILE *report = own->report_path ? fopen(own->report_path, "w") : NULL;
    if (!report)
        return;
    fprintf(report, "calls %lu\n", own->calls);
    if (own->failed[0])
        fprintf(report, "failed %s\n", own->failed);
    fclose(report);
}

int main(int argc, char **argv)
{
    supervisor own = {0};
    int at = 1, pair[2], status = 0;
    for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
        if (strcmp(argv[at], "--fail") == 0)
            own.fail_at = strtoul(argv[at + 1], NULL, 10);
        else if (strcmp(argv[at], "--report") == 0)
            own.report_path = argv[at + 1];
        else if (strcmp(argv[at], "--record") == 0)
            own.record = fopen(argv[at + 1], "w");
        else if (strcmp(argv[at], "--folder") == 0)
            own.folder = argv[at + 1];
    }
    if (at + 1 >= argc || (own.record && !own.folder) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        fprintf(stderr, "usage: %s [--fail N] [--report FILE] [--record FILE --folder FOLDER] -- PROGRAM...\n",
                argv[0]);
        return 125;
    }
    pid_t child = fork();
    if (child == 0)
        run_program(pair[0], argv + at + 1);
    own.listener = receive_listener(pair[1]);
    if (child < 0 || own.listener < 0) {
        fprintf(stderr, "%s: the kernel does not let file calls be supervised\n", argv[0]);
        return 125;
    }
    supervise(&own);
    waitpid(child, &status, 0);
    write_report(&own);
    if (own.record)
        fclose(own.record);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
