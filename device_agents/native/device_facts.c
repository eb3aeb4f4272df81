#define _GNU_SOURCE /* sched_setaffinity and CPU_SET */
#include "device_facts.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The value of a line "key : value\n" of /proc, or NULL if the line has another key. */
static char *value_of(char *line, const char *key)
{
    size_t bytes = strlen(key);
    if (strncmp(line, key, bytes) != 0) {
        return NULL;
    }
    char *colon = line + bytes + strspn(line + bytes, " \t");
    if (*colon != ':') {
        return NULL;
    }
    char *value = colon + 1 + strspn(colon + 1, " \t");
    value[strcspn(value, "\n")] = '\0';
    return value;
}

struct cpu {
    char model[256];   /* "model name", or every "implementer X part Y" met, once each */
    char *features;    /* the first processor's, or NULL */
    char implementer[16];
};

static void add_model(struct cpu *cpu, const char *model)
{
    size_t used = strlen(cpu->model);
    if (strstr(cpu->model, model) == NULL) {
        snprintf(cpu->model + used, sizeof cpu->model - used, "%s%s", used > 0 ? ", " : "", model);
    }
}

static void read_line(struct cpu *cpu, char *line)
{
    char *value = NULL;
    if ((value = value_of(line, "model name")) != NULL) {
        add_model(cpu, value);
    } else if ((value = value_of(line, "CPU implementer")) != NULL) {
        snprintf(cpu->implementer, sizeof cpu->implementer, "%.10s", value);
    } else if ((value = value_of(line, "CPU part")) != NULL) {
        char part[64];
        snprintf(part, sizeof part, "implementer %s part %.10s", cpu->implementer, value);
        add_model(cpu, part);
    } else if (cpu->features == NULL && ((value = value_of(line, "flags")) != NULL ||
                                         (value = value_of(line, "Features")) != NULL)) {
        cpu->features = strdup(value);
    }
}

static struct cpu read_cpu(void)
{
    struct cpu cpu = {{0}, NULL, {0}};
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t room = 0;
    while (file != NULL && getline(&line, &room, file) > 0) {
        read_line(&cpu, line);
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return cpu;
}

static void features_list(struct text *answer, char *features)
{
    char *rest = NULL;
    const char *comma = "";
    text_raw(answer, ", \"features\": [");
    for (char *word = features == NULL ? NULL : strtok_r(features, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        text_raw(answer, comma);
        text_string(answer, word);
        comma = ", ";
    }
    text_raw(answer, "]");
}

void device_facts(struct text *answer)
{
    struct utsname system = {0};
    char os[sizeof system.sysname + sizeof system.release + 2];
    struct cpu cpu = read_cpu();
    uname(&system);
    snprintf(os, sizeof os, "%s %s", system.sysname, system.release);
    text_raw(answer, "\"os\": ");
    text_string(answer, os);
    text_raw(answer, ", \"machine\": ");
    text_string(answer, system.machine);
    text_raw(answer, ", \"cpu\": ");
    text_string(answer, cpu.model);
    text_raw(answer, ", \"cores\": ");
    text_integer(answer, sysconf(_SC_NPROCESSORS_ONLN));
    features_list(answer, cpu.features);
    text_raw(answer, ", \"pid\": ");
    text_integer(answer, getpid());
    free(cpu.features);
}

int64_t peak_memory_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char *line = NULL;
    size_t room = 0;
    int64_t bytes = -1;
    while (file != NULL && bytes < 0 && getline(&line, &room, file) > 0) {
        char *value = value_of(line, "VmHWM");
        if (value != NULL) {
            char *unit = NULL;
            long long kibibytes = strtoll(value, &unit, 10);
            bool is_known = strcmp(unit, " kB") == 0 && kibibytes <= INT64_MAX / 1024;
            bytes = is_known && kibibytes > 0 ? (int64_t)kibibytes * 1024 : -1;
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

const char *pin_to_cores(const int64_t *cores, size_t count)
{
    cpu_set_t wanted;
    cpu_set_t got;
    CPU_ZERO(&wanted);
    for (size_t i = 0; i < count; i++) {
        if (cores[i] < 0 || cores[i] >= CPU_SETSIZE) {
            return "cpus names a core that does not exist";
        }
        CPU_SET((size_t)cores[i], &wanted);
    }
    /* The kernel ignores missing cores as long as one exists, so the result is read back. */
    if (count > 0 && (sched_setaffinity(0, sizeof wanted, &wanted) != 0 ||
                      sched_getaffinity(0, sizeof got, &got) != 0 || !CPU_EQUAL(&wanted, &got))) {
        return "cpus names a core that does not exist or is not allowed to this process";
    }
    return NULL;
}
