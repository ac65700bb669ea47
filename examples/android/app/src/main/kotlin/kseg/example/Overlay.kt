package kseg.example

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.Rect

private const val OPACITY = 128

/** Returns the photo with the colours of its classes over it, half transparent. */
fun overlay(photo: Bitmap, classes: ClassMap, colors: List<Int>): Bitmap {
    val pixels = IntArray(classes.size) {
        val color = colors.getOrElse(classes[it]) { Color.TRANSPARENT }
        if (color == Color.TRANSPARENT) color else color and 0xFFFFFF or (OPACITY shl 24)
    }
    val mask = Bitmap.createBitmap(
        pixels, classes.width, classes.height, Bitmap.Config.ARGB_8888
    )
    val result = photo.copy(Bitmap.Config.ARGB_8888, true)
    val whole = Rect(0, 0, photo.width, photo.height)
    // Without filtering, as colours between two classes are those of others.
    Canvas(result).drawBitmap(mask, null, whole, Paint().apply { isFilterBitmap = false })
    return result
}

/** Returns the classes in the picture with their shares, the largest first. */
fun legend(classes: ClassMap, names: List<String>): String {
    val counts = IntArray(names.size)
    for (pixel in 0 until classes.size) {
        if (classes[pixel] < counts.size) counts[classes[pixel]]++
    }
    return names.indices.filter { counts[it] > 0 }.sortedByDescending { counts[it] }
        .joinToString("\n") { "${names[it]} ${100 * counts[it] / classes.size} %" }
}
