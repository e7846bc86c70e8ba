// tessera appends the entries of a file to a Tessera log on POSIX, so many in flight, and prints the seconds it took.
//
//	tessera -new-key FILE                                    writes a signing key, as the shipped server reads it
//	tessera -entries FILE -dir DIR -batch-size N -batch-age D    through Tessera's own API, in this process
//	tessera -entries FILE -url URL                           through POST /add of a server
//
// An entry is done when its index is durable. The file holds uint32 length || bytes, big-endian, entry after entry.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// smallestInterval is what the POSIX driver accepts at least.
const smallestInterval = 100 * time.Millisecond

var (
	newKey    = flag.String("new-key", "", "write a signing key to this file and stop")
	entries   = flag.String("entries", "", "file of entries")
	dir       = flag.String("dir", "", "directory of a new log")
	url       = flag.String("url", "", "address of a running server's /add")
	inFlight  = flag.Int("in-flight", 1024, "how many entries wait for their index at a time")
	batchSize = flag.Uint("batch-size", tessera.DefaultBatchMaxSize, "entries a batch at most")
	batchAge  = flag.Duration("batch-age", tessera.DefaultBatchMaxAge, "how long a batch waits at most")
)

// add makes one entry durable.
type add func(entry []byte) error

func main() {
	flag.Parse()
	if *newKey != "" {
		check(os.WriteFile(*newKey, []byte(signingKey()), 0o600))
		return
	}
	read, err := readEntries(*entries)
	check(err)
	one, done := overHTTP(), func() {}
	if *url == "" {
		one, done = inProcess()
	}
	began := time.Now()
	check(appendAll(read, one))
	took := time.Since(began)
	done()
	fmt.Printf("{\"entries\": %d, \"seconds\": %.6f}\n", len(read), took.Seconds())
}

func appendAll(entries [][]byte, one add) error {
	next := make(chan []byte)
	failed := make(chan error, *inFlight)
	var hands sync.WaitGroup
	for range *inFlight {
		hands.Go(func() {
			for entry := range next {
				if err := one(entry); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for _, entry := range entries {
		select {
		case next <- entry:
		case err := <-failed:
			return err
		}
	}
	close(next)
	hands.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func inProcess() (add, func()) {
	ctx := context.Background()
	signer, err := note.NewSigner(signingKey())
	check(err)
	driver, err := posix.New(ctx, posix.Config{Path: *dir})
	check(err)
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(smallestInterval).
		WithBatching(*batchSize, *batchAge).
		WithPushback(uint(2**inFlight)))
	check(err)
	one := func(entry []byte) error {
		_, err := appender.Add(ctx, tessera.NewEntry(entry))()
		return err
	}
	return one, func() { check(shutdown(ctx)) }
}

func overHTTP() add {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *inFlight, MaxConnsPerHost: *inFlight}}
	return func(entry []byte) error {
		answer, err := client.Post(*url, "application/octet-stream", bytes.NewReader(entry))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("the server answered %s", answer.Status)
		}
		return nil
	}
}

func readEntries(path string) ([][]byte, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(file) > 0 {
		if len(file) < 4 {
			return nil, errors.New("the file of entries ends within a length")
		}
		length := int(binary.BigEndian.Uint32(file))
		if len(file) < 4+length {
			return nil, errors.New("the file of entries ends within an entry")
		}
		found, file = append(found, file[4:4+length]), file[4+length:]
	}
	return found, nil
}

func signingKey() string {
	secret, _, err := note.GenerateKey(rand.Reader, "gridwarden.invalid/benchmark")
	check(err)
	return secret
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
