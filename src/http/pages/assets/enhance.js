// What makes the pages nicer where scripts run; all of them work without.

// Moments in the reader's own time zone, in the page's language as it is written where they live.
const language = document.documentElement.lang;
const locale = navigator.languages.find((tag) => tag.startsWith(`${language}-`)) ?? { en: "en-GB" }[language] ?? language;
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.getTime())) {
    time.title = time.textContent;
    time.textContent = new Intl.DateTimeFormat(locale, {
      dateStyle: time.closest("table") ? "medium" : "long",
      timeStyle: "short",
    }).format(at);
  }
}

// A form that was sent is not sent again by a second click.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => {
    setTimeout(() => {
      for (const button of form.querySelectorAll("button")) button.disabled = true;
    });
  });
}
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
});

// What is shown once is copied by a button; where that fails it is selected, to be copied.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const secret = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(secret.textContent);
      button.textContent = button.dataset.copied;
    } catch {
      getSelection().selectAllChildren(secret);
    }
  });
}
