#include "setting.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"

/* Android's own switch for measurements, of the shell user. Source: AOSP, PowerManagerShellCommand,
 * set-fixed-performance-mode-enabled (API 30). It cannot be asked; a device starts with it off. */
#define FIXED_PERFORMANCE_MODE "fixed_performance_mode"
enum { COMMAND_TIMEOUT_MS = 10000, COMMAND_POLL_MS = 10, NOT_STARTED = 127 };

/* Source: Linux, Documentation/admin-guide/pm/cpufreq.rst. */
#define CPU_FOLDER "/sys/devices/system/cpu/cpu"
static const char *const CPU_FILES[] = {"/cpufreq/scaling_governor", "/cpufreq/scaling_min_freq",
                                        "/cpufreq/scaling_max_freq"};

static char program[SETTING_PROGRAM_BYTES]; /* SETTING_PROGRAM with its path; empty: none */

void setting_prepare(const char *path)
{
    memcpy(program, path, strlen(path) + 1);
}

static bool is_cpu_file(const char *path)
{
    if (strncmp(path, CPU_FOLDER, sizeof CPU_FOLDER - 1) != 0) {
        return false;
    }
    const char *rest = path + sizeof CPU_FOLDER - 1;
    size_t digits = strspn(rest, "0123456789");
    for (size_t i = 0; i < sizeof CPU_FILES / sizeof CPU_FILES[0]; i++) {
        if (digits > 0 && strcmp(rest + digits, CPU_FILES[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_mode(const struct setting *setting)
{
    return strcmp(setting->name, FIXED_PERFORMANCE_MODE) == 0;
}

static const char WORD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

bool setting_parse(struct setting *setting, const char *line, size_t bytes)
{
    memset(setting, 0, sizeof *setting);
    const char *equals = memchr(line, '=', bytes);
    size_t name_bytes = equals == NULL ? 0 : (size_t)(equals - line);
    size_t value_bytes = equals == NULL ? 0 : bytes - name_bytes - 1;
    if (name_bytes == 0 || name_bytes >= sizeof setting->name || value_bytes == 0 ||
        value_bytes >= sizeof setting->wanted) {
        return false;
    }
    memcpy(setting->name, line, name_bytes);
    memcpy(setting->wanted, equals + 1, value_bytes);
    if (strspn(setting->wanted, WORD) != value_bytes) {
        return false;
    }
    return is_cpu_file(setting->name) ||
           (is_mode(setting) && strcmp(setting->wanted, "true") == 0);
}

static bool read_file(struct setting *setting, char *value)
{
    int file = open(setting->name, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read_some(file, value, SETTING_VALUE_BYTES - 1);
    setting->error = got < 0 ? errno : 0;
    if (file >= 0) {
        close(file);
    }
    value[got < 0 ? 0 : got] = '\0';
    value[strcspn(value, "\n")] = '\0';
    return got >= 0;
}

static bool write_file(struct setting *setting, const char *value)
{
    char line[SETTING_VALUE_BYTES + 1];
    size_t bytes = strlen(value);
    memcpy(line, value, bytes);
    line[bytes] = '\n';
    int file = open(setting->name, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool good = file >= 0 && write_all(file, line, bytes + 1);
    setting->error = good ? 0 : errno;
    if (file >= 0) {
        close(file);
    }
    return good;
}

/* Waits for a child, and kills it where it hangs; 0 if it ended well, else an errno. */
static int ended_well(pid_t child)
{
    int status = 0;
    for (int waited_ms = 0; waitpid(child, &status, WNOHANG) == 0; waited_ms += COMMAND_POLL_MS) {
        if (waited_ms >= COMMAND_TIMEOUT_MS) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return ETIMEDOUT;
        }
        poll(NULL, 0, COMMAND_POLL_MS);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_STARTED) {
        return ENOENT;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ENOTSUP;
}

static bool set_mode(struct setting *setting, const char *value)
{
    const char *argv[] = {SETTING_PROGRAM, "power", "set-fixed-performance-mode-enabled", value,
                          NULL};
    pid_t child = fork();
    if (child == 0) {
        execv(program, (char *const *)argv);
        _exit(NOT_STARTED);
    }
    setting->error = child < 0 ? errno : ended_well(child);
    return setting->error == 0;
}

bool setting_look(struct setting *setting)
{
    if (is_mode(setting)) {
        memcpy(setting->before, "false", sizeof "false");
        return true;
    }
    return read_file(setting, setting->before);
}

static bool hold_file(struct setting *setting)
{
    if (strcmp(setting->before, setting->wanted) == 0) {
        return true;
    }
    if (!write_file(setting, setting->wanted)) {
        return false;
    }
    setting->state = SETTING_HELD;
    memcpy(setting->found, setting->wanted, sizeof setting->found);
    if (!read_file(setting, setting->found)) {
        return false;
    }
    /* A kernel may take another value than it was given, and says nothing. */
    setting->error = strcmp(setting->found, setting->wanted) == 0 ? 0 : EINVAL;
    return setting->error == 0;
}

bool setting_hold(struct setting *setting)
{
    if (!is_mode(setting)) {
        return hold_file(setting);
    }
    bool good = set_mode(setting, setting->wanted);
    bool may_be_set = good || setting->error == ETIMEDOUT;
    setting->state = may_be_set ? SETTING_HELD : SETTING_AS_BEFORE;
    return good;
}

void setting_restore(struct setting *setting)
{
    if (setting->state != SETTING_HELD) {
        return;
    }
    bool good = false;
    if (is_mode(setting)) {
        good = set_mode(setting, setting->before);
    } else {
        char now[SETTING_VALUE_BYTES];
        good = read_file(setting, now);
        if (good && strcmp(now, setting->before) == 0) { /* with another core of its cluster */
            setting->state = SETTING_AS_BEFORE;
            return;
        }
        if (good && strcmp(now, setting->found) != 0) {
            memcpy(setting->found, now, sizeof now);
            setting->state = SETTING_CHANGED_BY_OTHERS;
            return;
        }
        good = good && write_file(setting, setting->before);
    }
    setting->state = good ? SETTING_AS_BEFORE : SETTING_NOT_RESTORED;
}
