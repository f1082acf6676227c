// Progressive enhancement. Every page works without this script.

// Show times in the browser's time zone, in the page's language and the reader's regional format.
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

// Prevent a second click from sending a form twice.
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

// Copy a secret with a button. If the browser refuses, select it instead.
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
