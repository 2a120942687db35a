// Go reads names by a resolver of its own, and asks the kernel for everything by its own calls.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

func main() {
	attempt("addresses", func() (string, error) {
		found, err := net.LookupHost("api.test")
		return fmt.Sprint(len(found)), err
	})
	attempt("another name", func() (string, error) {
		found, err := net.LookupHost("forbidden.test")
		return fmt.Sprint(found), err
	})
	attempt("socket", func() (string, error) { return reach("api.test:7000") })
	attempt("IPv6 only", func() (string, error) { return reach("six.test:7000") })
	attempt("first address refuses", func() (string, error) { return reach("both.test:7100") })
	attempt("refused", func() (string, error) { return reach("api.test:7999") })
	attempt("an address", func() (string, error) { return reach("11.11.2.1:7000") })
	attempt("HTTP", func() (string, error) {
		answer, err := http.Get("http://api.test/")
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(answer.Body)
		return string(body), err
	})
}

func attempt(label string, act func() (string, error)) {
	result, err := act()
	var errno syscall.Errno
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound:
		result = "not found"
	case errors.As(err, &errno):
		result = errno.Error()
	case err != nil:
		result = err.Error()
	}
	fmt.Printf("%s: %s\n", label, result)
}

func reach(to string) (string, error) {
	connection, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	text, err := io.ReadAll(connection)
	return string(text), err
}
