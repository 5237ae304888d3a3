/** Take a still with the camera, which runs only while its dialog is open. */

export const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia);

/** Return a photo from the camera as a File, or null where none was taken. */
export async function takePhoto() {
  const dialog = document.getElementById("camera");
  const [video, error] = [dialog.querySelector("video"), dialog.querySelector(".error")];
  const take = dialog.querySelector(".take");
  let stream = null;
  error.textContent = "";
  take.disabled = true;
  dialog.showModal();
  const closed = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.querySelector(".cancel").onclick = () => dialog.close();
  let photo = null;
  take.onclick = async () => {
    photo = await still(video);
    dialog.close();
  };
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
    video.srcObject = stream;
    await video.play();
    take.disabled = false;
    if (dialog.open) take.focus();
  } catch {
    error.textContent = "There is no camera, or the browser may not use it: allow it for this page, or choose a photo.";
  }
  if (dialog.open) await closed;
  stream?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  return photo;
}

async function still(video) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
  return new File([blob], "camera.jpg", { type: "image/jpeg" });
}
