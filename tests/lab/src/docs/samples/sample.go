package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

SAMPLE

func main() {
	for _, path := range []string{"/me", "/rotate", "/me"} {
		answer, err := client.Get("https://graph.microsoft.com/v1.0" + path)
		if err != nil {
			log.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			log.Fatal(path, ": ", answer.Status)
		}
	}
}
