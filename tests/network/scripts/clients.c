/* The resolver of a static C library. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void reach(const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    char text[100] = "";
    int code = getaddrinfo(host, "7000", &hints, &list);
    if (code != 0) {
        printf("%s: %s\n", host, code == EAI_NONAME ? "EAI_NONAME" : gai_strerror(code));
        return;
    }
    int fd = socket(list->ai_family, SOCK_STREAM, 0);
    if (connect(fd, list->ai_addr, list->ai_addrlen) != 0)
        strcpy(text, "not connected");
    else
        for (ssize_t got, all = 0; (got = read(fd, text + all, sizeof text - 1 - all)) > 0; all += got)
            ;
    printf("%s: %s\n", host, text);
    close(fd);
    freeaddrinfo(list);
}

int main(int count, char **names)
{
    for (int at = 1; at < count; at++)
        reach(names[at]);
}
