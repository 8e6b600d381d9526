/* Opens the library as a plug-in, uses it from several threads, closes and reopens it. argv[1] is the library. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef int hardness_function(const float *, size_t, const float *, size_t, double *);
typedef const char *message_function(void);

static hardness_function *hardness;
static message_function *message;

static void *work(void *unused) {
    const float scores[] = {1, 2, 3};
    double delta = 0;
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        if (hardness(scores, 2, scores, 3, &delta) != 0) return "a valid call failed";
        if (hardness(scores, 0, scores, 3, &delta) != 1 || !strstr(message(), "empty")) return "a bad call did not fail";
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    for (int round = 0; round < 3; round++) {
        void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        *(void **)&hardness = dlsym(library, "dama_hardness");
        *(void **)&message = dlsym(library, "dama_error_message");
        if (!hardness || !message) return 1;
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            if (pthread_create(&threads[i], NULL, work, NULL) != 0) return 1;
        }
        for (int i = 0; i < 4; i++) {
            void *failure = NULL;
            pthread_join(threads[i], &failure);
            if (failure) {
                fprintf(stderr, "%s\n", (const char *)failure);
                return 1;
            }
        }
        if (dlclose(library) != 0) return 1;
    }
    return 0;
}
