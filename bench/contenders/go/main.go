// A proxy of Go's standard library, as its documentation sets it up: main LISTEN BACKEND_URL [MOST_CONNECTIONS].
// Only the number of idle connections is raised; the default of 2 would reconnect all the time. A third argument
// bounds all connections to the backend, for loads that would open more than the process may have files.
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
)

func main() {
	backend, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 0
	transport.MaxIdleConnsPerHost = 256
	if len(os.Args) > 3 {
		transport.MaxConnsPerHost, err = strconv.Atoi(os.Args[3])
		if err != nil {
			log.Fatal(err)
		}
	}
	transport.DisableCompression = true
	transport.Proxy = nil
	proxy := httputil.NewSingleHostReverseProxy(backend)
	proxy.Transport = transport
	log.Fatal(http.ListenAndServe(os.Args[1], proxy))
}
