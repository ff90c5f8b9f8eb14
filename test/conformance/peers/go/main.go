// A proxy of Go's standard library, as a careful operator would set it up: main PROFILE LISTEN BACKEND LIMITS.
// LIMITS are numbers, bytes and milliseconds: body, target, header, header time, idle time, response time.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"time"
)

func main() {
	profile, listen, backend := os.Args[1], os.Args[2], os.Args[3]
	var maxBody, maxTarget, maxHeader, headerTime, idleTime, responseTime int
	if _, err := fmt.Sscanf(os.Args[4], "%d,%d,%d,%d,%d,%d",
		&maxBody, &maxTarget, &maxHeader, &headerTime, &idleTime, &responseTime); err != nil {
		log.Fatal(err)
	}

	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // the default of 2 would reconnect all the time
	transport.DisableCompression = true // else it asks for gzip by itself
	transport.Proxy = nil
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		// Only where to, so that path and Host go on as they came; X-Forwarded-For is the proxy's own doing.
		Director: func(r *http.Request) {
			r.URL.Scheme, r.URL.Host = "http", backend
			trusts := profile == "trusting"
			setUnless(r.Header, "X-Forwarded-Proto", "http", trusts)
			setUnless(r.Header, "X-Forwarded-Host", r.Host, trusts)
			if _, ok := r.Header["User-Agent"]; !ok {
				r.Header["User-Agent"] = nil // else it adds its own, as NewSingleHostReverseProxy knows too
			}
		},
		FlushInterval: -1, // stream
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			w.WriteHeader(statusOf(err))
		},
	}
	server := &http.Server{
		Addr:              listen,
		Handler:           proxy,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       75 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	if profile == "limits" {
		transport.ResponseHeaderTimeout = time.Duration(responseTime) * time.Millisecond
		server.ReadHeaderTimeout = time.Duration(headerTime) * time.Millisecond
		server.IdleTimeout = time.Duration(idleTime) * time.Millisecond
		server.MaxHeaderBytes = maxHeader
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case len(r.RequestURI) > maxTarget:
				w.WriteHeader(http.StatusRequestURITooLong)
			case r.ContentLength > int64(maxBody):
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			default:
				r.Body = http.MaxBytesReader(w, r.Body, int64(maxBody))
				proxy.ServeHTTP(w, r)
			}
		})
	}
	log.Fatal(server.ListenAndServe())
}

func setUnless(header http.Header, name, value string, keeps bool) {
	if !keeps || header.Get(name) == "" {
		header.Set(name, value)
	}
}

// What the others answer too; the default is 502 for all.
func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
