// A proxy of Go's standard library, as its documentation sets it up: main LISTEN BACKEND_URL.
// Only the number of idle connections is raised; the default of 2 would reconnect all the time.
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	backend, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 0
	transport.MaxIdleConnsPerHost = 256
	transport.DisableCompression = true
	transport.Proxy = nil
	proxy := httputil.NewSingleHostReverseProxy(backend)
	proxy.Transport = transport
	log.Fatal(http.ListenAndServe(os.Args[1], proxy))
}
