/* cpu_threads.c: the processors that the system lets this process use: its affinity, its control groups' quota.
 *
 * Machines are shared: containers and batch systems give a process some processors or a share of their time, and a
 * thread more than that only makes the others wait.
 */
#include "cpu_threads.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSORS_MAX = 8192, PATH_BYTES = 4096 };

static int affinity_count(void)
{
    cpu_set_t *set = CPU_ALLOC(PROCESSORS_MAX);
    const size_t size_bytes = CPU_ALLOC_SIZE(PROCESSORS_MAX);
    int count = 0;
    if (set && sched_getaffinity(0, size_bytes, set) == 0)
        count = CPU_COUNT_S(size_bytes, set);
    CPU_FREE(set);
    if (count < 1)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count;
}

/* "200000 100000": two processors' worth; "max 100000": no limit. */
static int read_quota(const char *path)
{
    FILE *file = fopen(path, "r");
    long long quota = 0, period = 0;
    if (!file)
        return 0;
    if (fscanf(file, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
        quota = 0;
    fclose(file);
    const long long count = quota > 0 ? (quota + period - 1) / period : 0;
    return count > CPU_THREADS_MAX ? CPU_THREADS_MAX : (int)count;
}

/* The path after "0::"; false where there is no group of version 2. */
static bool read_group(const char *membership, char *group, size_t size)
{
    FILE *file = fopen(membership, "r");
    bool found = false;
    char line[PATH_BYTES];
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, "0::", 3) == 0 && strlen(line + 3) < size;
        if (found)
            memcpy(group, line + 3, strlen(line + 3) + 1);
    }
    if (file)
        fclose(file);
    return found;
}

int cpu_threads_quota(const char *membership, const char *mount)
{
    char group[PATH_BYTES], path[2 * PATH_BYTES];
    int least = 0;
    if (!read_group(membership, group, sizeof group))
        return 0;
    for (;;) {
        snprintf(path, sizeof path, "%s%s/cpu.max", mount, strcmp(group, "/") == 0 ? "" : group);
        const int quota = read_quota(path);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

int cpu_threads_allowed(void)
{
    const int count = affinity_count(), quota = cpu_threads_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota > 0 && quota < count ? quota : count;
}

/* A number of threads from the environment; 0 where it is not set. */
static int wish_of(const auxo_backend_host *host, const char *variable)
{
    const char *text = getenv(variable);
    char *end = NULL;
    if (!text || !*text)
        return 0;
    errno = 0;
    const long count = strtol(text, &end, 10);
    /* OMP_NUM_THREADS may be a list, one number for each level of nesting. */
    if (errno == 0 && end != text && (*end == '\0' || *end == ',') && count > 0)
        return count > CPU_THREADS_MAX ? CPU_THREADS_MAX : (int)count;
    char message[256];
    snprintf(message, sizeof message, "%s is \"%.60s\", which is no number of threads; it is passed over", variable,
             text);
    if (host->log)
        host->log(host->log_user, AUXO_LOG_WARNING, message);
    return 0;
}

int cpu_threads_choose(const auxo_backend_host *host)
{
    int count = host->thread_count > CPU_THREADS_MAX ? CPU_THREADS_MAX : (int)host->thread_count;
    if (count == 0)
        count = wish_of(host, "AUXO_THREADS");
    if (count == 0)
        count = wish_of(host, "OMP_NUM_THREADS");
    if (count == 0)
        count = cpu_threads_allowed();
    return count < CPU_THREADS_MAX ? count : CPU_THREADS_MAX;
}
