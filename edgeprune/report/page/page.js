// Copies and saves the texts of the last section. Without scripts they can be selected by hand.
for (const button of document.querySelectorAll("button")) {
  const name = button.dataset.copy || button.dataset.save;
  const area = document.getElementById(name);
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (button.dataset.save) {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([area.value]));
      link.download = name;
      link.click();
      URL.revokeObjectURL(link.href);
      return;
    }
    let done = true;
    try {
      await navigator.clipboard.writeText(area.value);
    } catch {
      area.select();
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Not allowed here: press Ctrl+C";
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
