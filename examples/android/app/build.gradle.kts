plugins {
    id("com.android.application")
}

android {
    namespace = "kseg.example"
    compileSdk = 36

    defaultConfig {
        applicationId = "kseg.example"
        minSdk = 28
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // The model is mapped into memory as it lies in the package.
    androidResources {
        noCompress += "tflite"
    }
}

dependencies {
    implementation("androidx.activity:activity:1.12.1")
    implementation("com.google.mediapipe:tasks-vision:1.0.0")
    implementation("com.google.ai.edge.litert:litert:2.3.0")
}
