namespace Tessera.Evaluation;

/// <summary>How well hidden patches were restored.</summary>
/// <param name="Psnr">Peak signal-to-noise ratio in dB, of the mean squared error over all hidden pixels of all pictures, values 0 to 1.</param>
/// <param name="Ssim">Mean structural similarity over all hidden pixels, of the picture with its visible patches in place.</param>
public sealed record ReconstructionQuality(double Psnr, double Ssim);
